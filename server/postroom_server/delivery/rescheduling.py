"""RescheduleDelivery's rules: what can be moved, and what moves with it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from postroom_server.delivery.options import begins_at
from postroom_server.domain.clock import Instant, after, seconds_between
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import TooLate
from postroom_server.domain.limits import Limits
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Change, move


@dataclass(frozen=True, slots=True, kw_only=True)
class RescheduleRequest:
    """The fields of `postroom.v1.RescheduleDeliveryRequest`; *delivery_id* is bare."""

    tenant: str
    delivery_id: str
    send_at: Instant | None = None
    expire_at: Instant | None = None
    request_id: str = ""


def rescheduled(
    delivery: Delivery, request: RescheduleRequest, now: Instant, limits: Limits
) -> Change:
    """What RescheduleDelivery makes of *delivery*; raises `TooLate`."""
    due_at = delivery.due_at
    if due_at is None:
        why = f"the mail can't be moved: it is {delivery.status.name} already"
        raise TooLate(why, delivery.name)
    begins = begins_at(request.send_at, now)
    # What waits for nothing but its end has no distance to keep.
    left = seconds_between(due_at, delivery.expire_at) or limits.default_expiry
    plan = delivery.plan
    if plan.completion is Completion.RELAYED and begins > now:
        # Nobody can wait that long for it.
        plan = replace(plan, completion=Completion.ACCEPTED)
    moved = replace(
        delivery,
        plan=plan,
        send_at=delivery.send_at if delivery.was_tried else begins,
        due_at=begins,
        expire_at=request.expire_at or after(begins, left),
    )
    return move(delivery, moved, now)
