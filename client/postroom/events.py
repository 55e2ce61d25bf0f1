"""What callers hear of deliveries, as it happens.

The fields are those of `postroom.v1`, where their meaning stands in full.  Times are
in UTC; None is what the service left unset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from postroom._plain import Plain
from postroom.results import SmtpReply
from postroom.words import EventKind, FailureReason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Plain):
    """Something that happened; of the delivery as a whole where *recipient* is empty.

    *cursor* is a place to go on from later: no event after this one is missed there,
    and some that came with it may come again.
    """

    id: str
    kind: EventKind
    occurred_at: datetime | None
    delivery: str
    sequence: int
    recipient: str
    status: Status
    attempt: int
    reason: FailureReason
    reply: SmtpReply | None
    detail: str
    next_attempt_at: datetime | None
    relay: str
    message_id: str
    request_id: str
    metadata: Mapping[str, str]
    tags: tuple[str, ...]
    trace_id: str
    cursor: str = field(default="", metadata={"ours": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage(Plain):
    """Events that were pulled; *cursor* is where to go on, also when there are none."""

    events: tuple[Event, ...]
    cursor: str
