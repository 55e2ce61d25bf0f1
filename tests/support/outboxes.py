"""An outbox in a test's words; the stores are in `stores`."""

from __future__ import annotations

from typing import Any

from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.store import Claimed, DeliveryQuery, Outbox

from tests.support.builders import NOW, a_content, a_finish, a_new_delivery


def accept(outbox: Outbox, *to: str, **fields: Any) -> Delivery:
    """An accepted delivery to *to*; *fields* are those of `a_new_delivery`."""
    change = a_new_delivery(*to, **fields)
    assert outbox.accept(change, a_content(*to), None) is None
    return change.after


def settle(outbox: Outbox, **fields: Any) -> Delivery:
    """An accepted delivery that reached everybody."""
    change = a_finish(accept(outbox, leased=True, **fields))
    assert outbox.save(change)
    return change.after


def claim(outbox: Outbox, now: int = NOW, **conditions: Any) -> list[Delivery]:
    """What a claim begins; *conditions* are those of `claim_whole`."""
    return [one.delivery for one in claim_whole(outbox, now, **conditions)]


def claim_whole(
    outbox: Outbox,
    now: int = NOW,
    *,
    relay: str = "main",
    retries: bool = False,
    limit: int = 10,
) -> list[Claimed]:
    """The same with contents: of each lane of the relay, at most *limit*."""
    wanted = {lane: limit for lane in outbox.lanes(relay) if lane.retries is retries}
    return list(outbox.claim(relay, Instant(now), wanted))


def first_due(outbox: Outbox, relay: str = "main", *, retries: bool) -> Instant | None:
    """When the first of a kind is due, as the lanes have it."""
    lanes = outbox.lanes(relay)
    for lane, due_at in lanes.items():
        assert outbox.next_due(relay, lane) == due_at
    return min(
        (due for lane, due in lanes.items() if lane.retries is retries), default=None
    )


def listed(outbox: Outbox, **conditions: Any) -> list[str]:
    """The ids of a list with these conditions."""
    query = DeliveryQuery(**{"tenant": "default", **conditions})
    return [delivery.id for delivery in outbox.list(query)]
