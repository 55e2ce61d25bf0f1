"""A store on hold takes mail and gives none away."""

from __future__ import annotations

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.hold import Hold

from tests.support.builders import NOW, SECOND, a_finish
from tests.support.outboxes import accept, claim

HOLD = Hold('restored; it\'s "old"', Instant(NOW))


def test_a_new_store_is_not_on_hold(outbox):
    assert outbox.hold.now() is None


def test_a_hold_is_kept_as_it_was_said(outbox, open_outbox):
    outbox.hold.begin(HOLD)

    assert open_outbox().hold.now() == HOLD


def test_another_hold_replaces_it(outbox):
    later = Hold("moved", Instant(NOW + 1))
    outbox.hold.begin(HOLD)
    outbox.hold.begin(later)

    assert outbox.hold.now() == later


def test_on_hold_mail_is_taken_and_none_is_claimed(outbox):
    before = accept(outbox)
    outbox.hold.begin(HOLD)
    accept(outbox)

    assert claim(outbox) == []
    assert outbox.next_due("main", before.lane) is None
    assert outbox.depth(NOW).due == 2


def test_what_waited_is_claimed_after_the_hold(outbox):
    delivery = accept(outbox)
    outbox.hold.begin(HOLD)
    outbox.hold.end()
    outbox.hold.end()

    assert outbox.next_due("main", delivery.lane) == NOW
    assert [one.id for one in claim(outbox)] == [delivery.id]


@pytest.fixture
def three(outbox):
    """Deliveries that are not final, in the order of acceptance, among others."""
    outbox.save(a_finish(accept(outbox, leased=True)))
    first = accept(outbox, tenant="b")
    second = accept(outbox, leased=True, accepted_at=Instant(NOW + SECOND))
    third = accept(outbox, relay="other", accepted_at=Instant(NOW + 2 * SECOND))
    return [first.id, second.id, third.id]


def test_live_deliveries_come_in_the_order_of_acceptance(outbox, three):
    found = outbox.live(Instant(NOW + 9 * SECOND), None, 10)

    assert [one.id for one in found] == three


def test_live_deliveries_come_page_by_page(outbox, three):
    until = Instant(NOW + 9 * SECOND)
    page = outbox.live(until, None, 2)
    rest = outbox.live(until, (page[-1].accepted_at, page[-1].id), 2)

    assert [one.id for one in (*page, *rest)] == three


def test_live_deliveries_are_those_of_a_time(outbox, three):
    found = outbox.live(Instant(NOW + SECOND), None, 10)

    assert [one.id for one in found] == three[:1]
