"""What of a relay's slots goes to fresh mail, and what to retries."""

from __future__ import annotations

import pytest
from postroom_server.delivery.lanes import Lane
from postroom_server.domain.clock import Instant
from postroom_server.domain.lane import LaneKey

NOW = Instant(1_000_000)
LATER = Instant(2_000_000)
FRESH = LaneKey(tenant="acme")
AGAIN = LaneKey(tenant="acme", retries=True)


def no_wait(_tenant):
    return 0.0


def reserve(lane, now, most, *, retries, wait=no_wait):
    """Slots for what is due; *wait* is how long a tenant has to."""
    due = lane.due(now, wait, retries=retries)
    room = lane.room(now, wait, retries=retries)
    return lane.reserve(due, min(most, room), retries=retries)


@pytest.fixture
def lane():
    lane = Lane("main", 8)
    yield lane
    lane.close()


def test_what_is_not_due_gets_no_slot(lane):
    lane.hear(FRESH, LATER)

    assert reserve(lane, NOW, 8, retries=False) == {}
    assert reserve(lane, LATER, 8, retries=False) == {FRESH: 8}


def test_the_earliest_that_was_heard_of_counts(lane):
    lane.hear(FRESH, LATER)
    lane.hear(FRESH, NOW)
    lane.hear(FRESH, LATER)

    assert lane.idle_for(NOW, no_wait) == 0


def test_retries_get_a_quarter_of_the_slots_while_fresh_mail_waits(lane):
    lane.hear(FRESH, NOW)
    lane.hear(AGAIN, NOW)

    assert reserve(lane, NOW, 8, retries=True) == {AGAIN: 2}
    assert reserve(lane, NOW, 8, retries=True) == {}
    assert reserve(lane, NOW, 8, retries=False) == {FRESH: 6}


def test_retries_get_all_slots_when_nothing_else_waits(lane):
    lane.hear(AGAIN, NOW)
    lane.hear(FRESH, LATER)

    assert reserve(lane, NOW, 8, retries=True) == {AGAIN: 8}


def test_fresh_mail_whose_tenant_has_to_wait_takes_no_slots_from_retries(lane):
    lane.take(2, retries=True)
    lane.hear(FRESH, NOW)
    lane.hear(LaneKey(tenant="bravo", retries=True), NOW)

    def wait(tenant):
        return 60.0 if tenant == "acme" else 0.0

    assert sum(reserve(lane, NOW, 8, retries=True, wait=wait).values()) == 6


def test_retries_that_hold_more_than_their_share_get_no_more(lane):
    lane.take(5, retries=True)
    lane.hear(FRESH, NOW)
    lane.hear(AGAIN, NOW)

    assert reserve(lane, NOW, 8, retries=True) == {}


def test_every_fourth_start_is_a_retry_s(lane):
    lane.started(2, retries=False)
    assert not lane.retries_first

    lane.started(1, retries=False)
    assert lane.retries_first

    lane.started(1, retries=True)
    assert not lane.retries_first


def test_a_single_slot_is_shared_too():
    single = Lane("main", 1)
    single.hear(FRESH, NOW)
    single.hear(AGAIN, NOW)

    assert reserve(single, NOW, 1, retries=True) == {AGAIN: 1}
    single.close()


def test_what_is_given_back_is_free_again(lane):
    lane.hear(AGAIN, NOW)
    reserve(lane, NOW, 3, retries=True)
    lane.give_back(3, retries=True)

    assert (lane.free, lane.retrying) == (8, 0)
