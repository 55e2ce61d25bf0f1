"""What every outbox must do: lanes of tenants and priorities, and mail for later."""

from __future__ import annotations

from postroom_server.domain.clock import Instant
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Priority

from tests.support.builders import DAY, NOW, SECOND, a_deferral, a_plan
from tests.support.outboxes import accept, claim

NORMAL = LaneKey(tenant="default")
URGENT = LaneKey(tenant="default", priority=Priority.URGENT)
OTHER = LaneKey(tenant="acme")


def in_each(outbox, due_at=NOW):
    """A delivery in each of three lanes, by lane."""
    urgent = a_plan(priority=Priority.URGENT)
    return {
        NORMAL: accept(outbox, due_at=due_at).id,
        URGENT: accept(outbox, due_at=due_at, plan=urgent).id,
        OTHER: accept(outbox, due_at=due_at, tenant="acme").id,
    }


def claimed(outbox, wanted, now=NOW):
    return [one.delivery.id for one in outbox.claim("main", Instant(now), wanted)]


def test_each_tenant_and_priority_has_a_lane(outbox):
    in_each(outbox)

    assert outbox.lanes("main") == {NORMAL: NOW, URGENT: NOW, OTHER: NOW}
    assert outbox.lanes("other") == {}


def test_a_lane_has_a_twin_for_retries(outbox):
    retry_at = Instant(NOW + SECOND)
    outbox.save(a_deferral(accept(outbox, leased=True), retry_at))

    assert outbox.lanes("main") == {LaneKey(tenant="default", retries=True): retry_at}


def test_a_claim_takes_from_the_lanes_that_it_names_and_in_that_order(outbox):
    held = in_each(outbox)

    assert claimed(outbox, {OTHER: 1, NORMAL: 1}) == [held[OTHER], held[NORMAL]]
    assert outbox.lanes("main") == {URGENT: NOW}


def test_a_claim_takes_no_more_from_a_lane_than_it_asks_for(outbox):
    first = accept(outbox)
    accept(outbox)

    assert claimed(outbox, {NORMAL: 1}) == [first.id]
    assert outbox.next_due("main", NORMAL) == NOW


def test_a_lane_that_is_empty_gives_nothing_and_is_in_nobodys_way(outbox):
    held = in_each(outbox)
    empty = LaneKey(tenant="acme", priority=Priority.BULK)

    assert claimed(outbox, {empty: 3, NORMAL: 3}) == [held[NORMAL]]


def test_mail_for_later_is_not_claimed_before_its_time(outbox):
    tomorrow = Instant(NOW + DAY - 1)
    held = in_each(outbox, due_at=tomorrow)

    assert claim(outbox, tomorrow - 1) == []
    assert outbox.depth(NOW).scheduled == 3
    assert outbox.depth_by_tenant(NOW)["acme"].scheduled == 1
    assert {one.id for one in claim(outbox, tomorrow)} == {*held.values()}
