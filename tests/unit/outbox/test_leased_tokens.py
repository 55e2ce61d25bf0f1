from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.pacing import Rate
from postroom_server.outbox.leased_tokens import IDLE, SHORTEST, TROUBLE, LeasedTokens

from tests.support.buckets import FakeBuckets
from tests.support.clocks import FakeClock

RATE = Rate(10.0, 8.0)
SCOPE = "relay:main"


class Fleet:
    """Processes with tokens in common; their threads are turned by hand."""

    def __init__(self, processes=1):
        self.clock = FakeClock()
        self.buckets = FakeBuckets(self.clock, processes)
        self.tokens = [
            LeasedTokens(self.buckets, self.clock.monotonic) for _ in range(processes)
        ]

    def take(self, want=1, rate=RATE, process=0):
        """What a process gets that may wait for one turn of its thread."""
        tokens = self.tokens[process]
        taken = tokens.take(SCOPE, rate, want).taken
        tokens.turn()
        return taken + tokens.take(SCOPE, rate, want - taken).taken


rates = st.builds(Rate, st.floats(0.5, 100.0), st.integers(1, 50).map(float))
steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.floats(0, 2),
        st.integers(0, 12),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


@given(rates, steps)
def test_in_no_span_of_time_more_start_than_rate_and_burst_allow(rate, moves):
    fleet, starts, unused = Fleet(4), [], [0] * 4
    for process, pause, want, killed, returned in moves:
        fleet.clock.advance(pause)
        if killed:
            # It takes with it what it held.
            fleet.tokens[process] = LeasedTokens(fleet.buckets, fleet.clock.monotonic)
            unused[process] = 0
        taken = fleet.take(want, rate, process)
        # What was taken and could not be used comes back only after the next block.
        fleet.tokens[process].give_back(SCOPE, rate, unused[process])
        unused[process] = taken if returned else 0
        starts.append((fleet.clock.monotonic(), 0 if returned else taken))

    # Where a burst is less than two for each, each may hold one more.
    most = rate.burst if rate.burst >= 8 else max(rate.burst / 2, 1) + 4
    for first in range(len(starts)):
        begin = starts[first][0]
        started = 0
        for at, count in starts[first:]:
            started += count
            assert started <= rate.per_second * (at - begin) + most + 1e-6


def test_nothing_is_taken_before_the_common_bucket_gave_it():
    fleet = Fleet()

    assert fleet.tokens[0].take(SCOPE, RATE, 1).taken == 0
    assert fleet.tokens[0].wait(SCOPE, RATE) == SHORTEST
    fleet.tokens[0].turn()
    assert fleet.tokens[0].wait(SCOPE, RATE) == 0
    assert fleet.tokens[0].take(SCOPE, RATE, 1).taken == 1


def test_a_process_that_wants_one_leaves_the_others_theirs():
    fleet = Fleet(2)

    assert fleet.take(1) == 1
    assert fleet.take(9, process=1) == 2


def test_who_finds_none_is_told_when_there_is_one_and_then_gets_it():
    fleet = Fleet()
    while fleet.take(8):
        pass
    wait = fleet.tokens[0].wait(SCOPE, RATE)

    fleet.clock.advance(wait)

    assert 0 < wait <= 0.2
    assert fleet.take(1) == 1


def test_a_busy_process_takes_ahead_and_asks_seldom():
    rate = Rate(1000.0, 1000.0)
    fleet = Fleet()
    started = 0
    for _ in range(500):
        fleet.clock.advance(0.002)
        started += fleet.take(1, rate)

    assert started >= 490
    assert len(fleet.buckets.asked) < 30


def test_what_was_not_used_for_a_while_is_for_the_others():
    rate = Rate(0.001, 1.0)
    fleet = Fleet(2)
    fleet.tokens[0].take(SCOPE, rate, 1)
    fleet.tokens[0].turn()
    assert fleet.take(1, rate, process=1) == 0

    fleet.clock.advance(IDLE + 0.1)
    fleet.tokens[0].turn()
    fleet.clock.advance(1000)

    assert fleet.take(1, rate, process=1) == 1
    assert fleet.take(1, rate) == 0


def test_what_was_taken_in_vain_is_not_gathered():
    rate = Rate(10.0, 8.0)
    fleet = Fleet(4)
    for _ in range(20):
        taken = fleet.take(1, rate)
        fleet.clock.advance(0.1)
        later = fleet.take(1, rate)
        fleet.tokens[0].give_back(SCOPE, rate, taken + later)
    fleet.tokens[0].turn()

    assert fleet.tokens[0].take(SCOPE, rate, 20).taken == 1


def test_what_is_held_is_given_back_at_the_end():
    rate = Rate(0.001, 1.0)
    fleet = Fleet(2)
    fleet.tokens[0].take(SCOPE, rate, 1)
    fleet.tokens[0].turn()

    fleet.tokens[0].close()

    assert fleet.take(1, rate, process=1) == 1


def test_without_the_store_what_is_held_is_spent_and_nothing_more():
    fleet = Fleet()
    fleet.tokens[0].take(SCOPE, RATE, 4)
    fleet.tokens[0].turn()
    fleet.buckets.away = True

    spent = sum(fleet.take(1) for _ in range(50))
    fleet.clock.advance(3600)

    assert spent == 4
    assert fleet.take(1) == 0
    assert fleet.tokens[0].wait(SCOPE, RATE) == pytest.approx(TROUBLE)


def test_after_trouble_with_the_store_it_goes_on_by_itself():
    fleet = Fleet()
    fleet.buckets.away = True
    fleet.take(1)
    fleet.buckets.away = False

    assert fleet.take(1) == 0
    fleet.clock.advance(1.0)
    assert fleet.take(1) == 1


def test_who_listens_hears_of_a_block_that_came():
    fleet, heard = Fleet(), []
    fleet.tokens[0].listen(lambda: heard.append(1))
    fleet.tokens[0].turn()
    assert heard == []

    fleet.take(1)

    assert heard == [1]


def test_looking_for_others_ahead_counts_them():
    fleet = Fleet()

    assert fleet.tokens[0].wait(SCOPE, Rate(10.0, 1.0), ahead=20) == pytest.approx(2.0)


def test_a_thread_asks_by_itself():
    fleet, came = Fleet(), threading.Event()
    tokens = fleet.tokens[0]
    tokens.listen(came.set)
    tokens.start()
    try:
        tokens.take(SCOPE, RATE, 1)

        assert came.wait(10)
        assert tokens.take(SCOPE, RATE, 1).taken == 1
    finally:
        tokens.close()


def test_an_idle_process_has_nothing_to_do():
    fleet = Fleet()
    fleet.take(1)
    fleet.clock.advance(IDLE + 1)
    fleet.tokens[0].turn()
    asked = len(fleet.buckets.asked)

    fleet.clock.advance(100)
    fleet.tokens[0].turn()

    assert len(fleet.buckets.asked) == asked
    assert fleet.tokens[0]._idle_for() in {None, math.inf}
