from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom._retry import LONGEST_DELAY, Hint, Persistence, Surroundings

AWAY = Hint(unavailable=True)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def _calls(*, timeout=90.0, max_attempts=4, chance=1.0, clock=None):
    surroundings = Surroundings(clock=clock or Clock(), chance=lambda: chance)
    return Persistence(timeout, max_attempts, surroundings)


def _delays(calls, hint):
    while True:
        calls.begin()
        delay = calls.delay_after(hint)
        if delay is None:
            return
        yield delay


def test_delays_double_and_end():
    assert list(_delays(_calls(), AWAY)) == [0.2, 0.4, 0.8]


def test_delays_have_a_ceiling():
    assert max(_delays(_calls(max_attempts=9), AWAY)) == LONGEST_DELAY


def test_jitter_is_full():
    assert list(_delays(_calls(chance=0.0), AWAY)) == [0.0, 0.0, 0.0]


def test_only_unavailable_is_tried_again():
    assert list(_delays(_calls(), Hint(unavailable=False))) == []


def test_a_service_that_says_never_is_obeyed():
    assert list(_delays(_calls(), Hint(unavailable=True, never=True))) == []


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 2.0), (1.0, 2.5)])
def test_a_service_that_says_when_is_never_asked_before(chance, delay):
    hint = Hint(unavailable=True, retry_after=2.0)

    assert next(_delays(_calls(chance=chance), hint)) == delay


def test_a_delay_that_does_not_fit_the_deadline_is_not_waited():
    hint = Hint(unavailable=True, retry_after=2.0)

    assert list(_delays(_calls(timeout=2.5), hint)) == []


def test_each_attempt_gets_what_is_left_of_the_time():
    clock = Clock()
    calls = _calls(timeout=10.0, clock=clock)
    first = calls.begin()
    clock.now += 7
    second = calls.begin()
    clock.now += 7

    assert (first, second, calls.begin()) == (10.0, 3.0, 0.0)


@given(
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 100),
    st.none() | st.floats(0, 100),
)
def test_no_delay_reaches_the_deadline(chance, timeout, retry_after):
    hint = Hint(unavailable=True, retry_after=retry_after)

    assert all(
        0 <= d <= timeout + 1e-9
        for d in _delays(_calls(timeout=timeout, chance=chance), hint)
    )


def test_a_call_without_limit_gets_a_time_that_grpc_can_count():
    assert _calls(timeout=float("inf")).begin() == 1e9
