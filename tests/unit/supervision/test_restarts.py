"""When a process that died is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.supervision.restarts import FIRST, MOST, STEADY, Restarts

CHANCES = st.floats(0, 1)


def test_pauses_grow_with_deaths_in_a_row():
    restarts = Restarts()
    pauses = [restarts.pause(1.0, 1.0) for _ in range(5)]

    assert pauses == [FIRST * 2**n for n in range(5)]


def test_a_long_run_is_no_habit_of_dying():
    restarts = Restarts(deaths=9)

    assert restarts.pause(STEADY, 1.0) == FIRST


@given(st.lists(st.tuples(st.floats(0, 1e6), CHANCES), max_size=50))
def test_no_pause_is_longer_than_the_longest_or_shorter_than_half_the_first(deaths):
    restarts = Restarts()
    for ran, chance in deaths:
        assert FIRST / 2 <= restarts.pause(ran, chance) <= MOST


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_chance_spreads_pauses(chance, share):
    assert Restarts().pause(0.0, chance) == FIRST * share
