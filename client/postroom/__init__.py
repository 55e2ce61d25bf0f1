"""Client of the Postroom e-mail delivery service.

Begin with `Client`, or with `AsyncClient` for asyncio; what it takes is in
`postroom.arguments` and `postroom.messages`, what it gives back in `postroom.results`
and `postroom.reports`, what it raises in `postroom.errors`.
"""

from __future__ import annotations

from postroom._environment import from_environment
from postroom.aio import AsyncClient
from postroom.client import Client
from postroom.errors import (
    Conflict,
    DeadlineExceeded,
    DeliveryFailed,
    FailedPrecondition,
    InternalError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    PostroomError,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)
from postroom.events import Event, EventPage
from postroom.many import Sent
from postroom.messages import (
    Attachment,
    Dsn,
    Mailbox,
    RawMessage,
    RetryPolicy,
    Unsubscribe,
)
from postroom.reports import ConnectionReport, ServerInfo, Stats
from postroom.results import (
    Attempt,
    Blob,
    Cancellation,
    Delivery,
    DeliveryResult,
    RecipientFailure,
    RecipientResult,
    Rendered,
    SmtpReply,
    ValidationReport,
)
from postroom.words import (
    AttemptOutcome,
    CancelOutcome,
    Completion,
    DeliveryView,
    DsnNotify,
    DsnReturn,
    EventKind,
    FailureReason,
    Health,
    OnUncertain,
    Phase,
    Priority,
    RecipientStatus,
    Settlement,
    StartPosition,
    Status,
)

__all__ = [
    "AsyncClient",
    "Attachment",
    "Attempt",
    "AttemptOutcome",
    "Blob",
    "CancelOutcome",
    "Cancellation",
    "Client",
    "Completion",
    "Conflict",
    "ConnectionReport",
    "DeadlineExceeded",
    "Delivery",
    "DeliveryFailed",
    "DeliveryResult",
    "DeliveryView",
    "Dsn",
    "DsnNotify",
    "DsnReturn",
    "Event",
    "EventKind",
    "EventPage",
    "FailedPrecondition",
    "FailureReason",
    "Health",
    "InternalError",
    "InvalidRequest",
    "Mailbox",
    "NotFound",
    "OnUncertain",
    "Overloaded",
    "PermissionDenied",
    "Phase",
    "PostroomError",
    "Priority",
    "RawMessage",
    "RecipientFailure",
    "RecipientResult",
    "RecipientStatus",
    "Rendered",
    "ResourceExhausted",
    "RetryPolicy",
    "Sent",
    "ServerInfo",
    "Settlement",
    "SmtpReply",
    "StartPosition",
    "Stats",
    "Status",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unsubscribe",
    "ValidationReport",
    "Violation",
    "from_environment",
]
