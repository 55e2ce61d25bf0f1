"""What the log tells of deliveries: accepted, each attempt, and an end without one.

Every event says which delivery, of which tenant, over which relay, and the request id
that made it.  A relay's words are not in it, only its codes: a reply may quote the
mail.  `GetDelivery` tells them to those whose mail it is.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Mapping

import structlog

from postroom_server.domain.attempt import Attempt
from postroom_server.domain.clock import seconds_between
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.events import EventKind
from postroom_server.domain.transitions import Change
from postroom_server.telemetry.logs import is_heard
from postroom_server.telemetry.naming import facts, identity

_BOUND = ("delivery", "relay", "tenant", "request_id")
# structlog makes a name's variable when the name is first bound.  Threads that did so
# at once would make two, and one of them would name its delivery for good.
contextvars.Context().run(
    structlog.contextvars.bind_contextvars, **dict.fromkeys(_BOUND, "")
)
_log = structlog.get_logger(__name__)


def bind(delivery: Delivery) -> None:
    """Name *delivery* in whatever the call under way logs from now on."""
    structlog.contextvars.bind_contextvars(
        delivery=delivery.id, relay=delivery.relay, tenant=delivery.tenant
    )


def tell(change: Change) -> None:
    """Log what *change* means, now that it is stored."""
    if not is_heard(_log, logging.INFO):
        # What nobody hears need not be put into words.
        return
    after = change.after
    if change.events and change.events[0].kind is EventKind.ACCEPTED:
        _log.info("delivery.accepted", **facts(_acceptance(after)))
    elif change.attempt is not None and change.attempt.ended_at is not None:
        _log.info("delivery.attempted", **facts(_attempt(after, change.attempt)))
    elif after.settled_at is not None and change.before.settled_at is None:
        _log.info("delivery.ended", **identity(after), status=after.status)


def _acceptance(delivery: Delivery) -> Mapping[str, object]:
    return {
        **identity(delivery),
        "trace_id": delivery.trace_id,
        "message_id": delivery.message_id,
        "recipients": len(delivery.recipients),
        "size_bytes": delivery.size_bytes,
    }


def _attempt(delivery: Delivery, attempt: Attempt) -> Mapping[str, object]:
    ended_at, reply = attempt.ended_at, attempt.reply
    took = 0.0 if ended_at is None else seconds_between(attempt.started_at, ended_at)
    return {
        **identity(delivery),
        "trace_id": delivery.trace_id,
        "attempt": attempt.number,
        "outcome": attempt.outcome,
        "status": delivery.status,
        "phase": attempt.phase or "",
        "reason": attempt.reason or "",
        "code": reply.code if reply else "",
        "enhanced_code": reply.enhanced_code if reply else "",
        "seconds": round(took, 6),
        "delivered": attempt.recipients_delivered or "",
        "refused": attempt.recipients_refused or "",
        "deferred": attempt.recipients_deferred or "",
        "next_in": _pause(delivery, attempt),
    }


def _pause(delivery: Delivery, attempt: Attempt) -> object:
    if delivery.due_at is None or attempt.ended_at is None:
        return ""
    return round(seconds_between(attempt.ended_at, delivery.due_at), 3)
