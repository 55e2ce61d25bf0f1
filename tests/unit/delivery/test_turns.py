"""Fairness among the lanes of a relay, as a game against a simulated relay."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from postroom_server.delivery.turns import WEIGHTS, Turns
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Priority

ROUND = sum(WEIGHTS.values())
PRIORITIES = tuple(WEIGHTS)
lanes = st.builds(
    LaneKey,
    tenant=st.sampled_from(["acme", "bravo", "charlie", "delta"]),
    priority=st.sampled_from(PRIORITIES),
)


def lane(tenant, priority=Priority.NORMAL):
    return LaneKey(tenant=tenant, priority=priority)


def starts(turns, due, count):
    """Who gets the next *count* slots, when one at a time becomes free."""
    return [next(iter(turns.share(due, 1))) for _ in range(count)]


def test_tenants_take_turns_however_much_they_have():
    due = [lane("acme", priority) for priority in PRIORITIES] + [lane("bravo")]
    tenants = Counter(one.tenant for one in starts(Turns(), due, 100))

    assert tenants == {"acme": 50, "bravo": 50}


def test_calling_everything_urgent_gains_nothing_over_others():
    due = [lane("acme", Priority.URGENT), lane("bravo", Priority.BULK)]
    tenants = Counter(one.tenant for one in starts(Turns(), due, 100))

    assert tenants["bravo"] == 50


def test_the_most_urgent_goes_first_and_the_others_have_their_share():
    due = [lane("acme", priority) for priority in PRIORITIES]
    chosen = [one.priority for one in starts(Turns(), due, 2 * ROUND)]

    assert chosen[:16] == [Priority.URGENT] * 16
    assert Counter(chosen) == {one: 2 * weight for one, weight in WEIGHTS.items()}


def test_urgent_mail_that_comes_into_a_backlog_is_next():
    turns, backlog = Turns(), [lane("acme", Priority.BULK)]
    starts(turns, backlog, 50)

    (first,) = starts(turns, [*backlog, lane("acme", Priority.URGENT)], 1)
    assert first.priority is Priority.URGENT


def test_urgent_mail_that_comes_and_goes_does_not_starve_bulk_mail():
    turns, bulk = Turns(), lane("acme", Priority.BULK)
    chosen = []
    for turn in range(10 * ROUND):
        urgent = [lane("acme", Priority.URGENT)] if turn % 2 else []
        normal = [lane("acme")] if not turn % 2 else []
        chosen += starts(turns, [bulk, *urgent, *normal], 1)

    assert chosen.count(bulk) >= 10


def test_who_comes_waits_for_one_turn_of_each_other():
    turns = Turns()
    others = [lane(f"t{number}") for number in range(9)]
    starts(turns, others, 100)

    chosen = starts(turns, [*others, lane("late")], 10)
    assert lane("late") in chosen


def test_many_slots_are_shared_out_at_once():
    due = [lane("acme"), lane("bravo"), lane("charlie")]

    assert sorted(Turns().share(due, 10).values()) == [3, 3, 4]


def test_nothing_due_gets_nothing():
    assert Turns().share([], 5) == {}
    assert Turns().share([lane("acme")], 0) == {}


@given(st.lists(lanes, min_size=1, unique=True), st.integers(0, 50))
def test_every_slot_goes_to_somebody_who_waits(due, slots):
    shares = Turns().share(due, slots)

    assert sum(shares.values()) == slots
    assert shares.keys() <= set(due)


@given(
    st.lists(lanes, min_size=1, unique=True),
    st.lists(st.tuples(st.sets(lanes), st.integers(1, 4)), max_size=30),
)
def test_who_waits_all_the_time_is_served_in_bounded_time(constant, changes):
    """Whoever else comes and goes: each tenant's turn comes after the others', and
    each of its lanes within a round of those."""
    turns = Turns()
    waited = Counter()
    for others, slots in changes:
        due = {*constant, *others}
        for _ in range(slots):
            (chosen,) = turns.share(due, 1)
            waited.update(constant)
            waited[chosen] = 0

            assert max(waited.values()) <= 4 * 2 * ROUND


@given(st.lists(lanes, min_size=1, unique=True), st.integers(1, 200))
def test_no_tenant_is_ever_ahead_of_another_by_more_than_one_start(due, count):
    tenants = Counter({one.tenant: 0 for one in due})
    turns = Turns()
    for chosen in starts(turns, due, count):
        tenants[chosen.tenant] += 1

        assert max(tenants.values()) - min(tenants.values()) <= 1
