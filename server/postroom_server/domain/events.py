"""What happens to a delivery, as the outbox records it and telemetry hears of it."""

from __future__ import annotations

from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.numbered import Numbered
from postroom_server.domain.reply import Reply
from postroom_server.domain.values import value


class EventKind(Numbered):
    """What happened; "of the delivery" has no recipient, "of a recipient" has one."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    SCHEDULED = 2
    ATTEMPT_STARTED = 3
    DEFERRED = 4
    DELIVERED = 5
    REFUSED = 6
    FAILED = 7
    TEMP_FAILED = 8
    UNCERTAIN = 9
    CANCELLED = 11
    EXPIRED = 12
    SETTLED = 13
    RETRY_REQUESTED = 14


@value(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; *status* is the delivery's after it."""

    kind: EventKind
    occurred_at: Instant
    status: DeliveryStatus
    recipient: str = ""
    attempt: int = 0
    reason: FailureReason = FailureReason.UNSPECIFIED
    reply: Reply | None = None
    detail: str = ""
    next_attempt_at: Instant | None = None
