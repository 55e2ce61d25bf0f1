from __future__ import annotations

from contextlib import ExitStack

import pytest
from postroom_server.domain.errors import Overloaded
from postroom_server.rpc.seats import Seats


def taken(seats, *tenants):
    """How many of *tenants* get a seat, one after the other."""
    with ExitStack() as stack:
        for count, tenant in enumerate(tenants):
            try:
                stack.enter_context(seats.held(tenant))
            except Overloaded:
                return count
    return len(tenants)


def test_nobody_waits_for_a_seat():
    assert taken(Seats(2), "a", "a", "a") == 2


def test_a_seat_is_free_again_after_its_block():
    seats = Seats(1)

    assert [taken(seats, "a") for _ in range(3)] == [1, 1, 1]


def test_a_seat_can_be_given_back_early_and_once():
    seats = Seats(1)
    with seats.held("a") as seat:
        seat.close()
        assert taken(seats, "a") == 1

    assert taken(seats, "a", "a") == 1


@pytest.mark.parametrize(("most", "each"), [(1, 1), (2, 2), (4, 3), (64, 48)])
def test_one_tenant_leaves_a_quarter_to_the_others(most, each):
    seats = Seats(most, shared=True)

    assert taken(seats, *["a"] * most, "a") == each
    assert taken(seats, *["a"] * each, *["b"] * (most - each), "c") == most


def test_the_only_tenant_may_have_all():
    assert taken(Seats(4), *"aaaaa") == 4


@pytest.mark.parametrize("shared", [True, False])
def test_it_is_told_when_the_next_one_may_be_refused(shared):
    seats = Seats(2, shared=shared)
    before = seats.full
    with seats.held("a"), seats.held("a"):
        within = seats.full

    assert (before, within, seats.full) == (False, True, False)


@pytest.mark.parametrize(("shared", "contested"), [(True, True), (False, False)])
def test_who_has_all_of_its_share_is_in_the_way_of_its_own(shared, contested):
    seats = Seats(4, shared=shared)
    with seats.held("a"), seats.held("a"), seats.held("b"):
        before = seats.contested
        with seats.held("a"):
            within = seats.contested

    assert (before, within, seats.contested) == (False, contested, False)


def test_seats_are_counted_by_weight():
    seats = Seats(100, shared=True)
    with seats.held("a", 70):
        with pytest.raises(Overloaded), seats.held("a", 6):
            pass
        with seats.held("a", 5), seats.held("b", 25):
            assert seats.contested
            assert taken(seats, "c") == 0
        assert not seats.contested
        assert taken(seats, *"bbb") == 3

    assert not seats.full
