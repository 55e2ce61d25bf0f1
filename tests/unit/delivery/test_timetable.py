from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from postroom_server.delivery.timetable import GRAIN, Timetable


def due(times, now):
    return sorted(times.due(now))


def test_an_entry_comes_up_at_its_time_and_once():
    times = Timetable()
    times.set("a", 1.0)

    assert due(times, 0.9) == []
    assert due(times, 1.0 + GRAIN) == ["a"]
    assert due(times, 2.0) == []


def test_a_new_time_takes_the_place_of_the_old_one():
    times = Timetable()
    times.set("a", 1.0)
    times.set("a", 5.0)

    assert due(times, 2.0) == []
    assert len(times) == 1


def test_what_is_dropped_does_not_come_up():
    times = Timetable()
    times.set("a", 1.0)
    times.drop("a")
    times.drop("never there")

    assert due(times, 2.0) == []
    assert times.wait(0.0) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 100), st.booleans())))
def test_it_waits_for_the_first_and_no_entry_is_early_or_lost(script):
    times, expected = Timetable(), {}
    for entry, at, dropped in script:
        times.set(entry, at)
        expected[entry] = at
        if dropped:
            times.drop(entry)
            del expected[entry]

    wait = times.wait(0.0)
    first = min(expected.values(), default=None)
    assert (wait is None) == (first is None)
    assert first is None or first <= wait + 1e-6 <= first + GRAIN + 1e-6
    for now in (25.0, 50.0, 75.0, 200.0):
        came = due(times, now)
        assert all(expected[entry] <= now for entry in came)
        for entry in came:
            del expected[entry]
        assert all(at > now - GRAIN for at in expected.values())
    assert not expected
