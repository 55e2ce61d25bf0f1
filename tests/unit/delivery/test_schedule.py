from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.delivery.schedule import SHORTEST_DELAY, long_delay, quick_delay
from postroom_server.domain.submission import RetryPolicy


@pytest.mark.parametrize(("tries", "delay"), [(1, 1.0), (2, 5.0), (3, 30.0), (4, None)])
def test_quick_retries_come_after_1_5_and_30_seconds(tries, delay):
    assert quick_delay(RetryPolicy(), tries) == delay


@pytest.mark.parametrize(
    "delay", [quick_delay, lambda p, n: long_delay(p, n, lambda: 0.5)]
)
def test_a_disabled_policy_allows_one_attempt_and_no_more(delay):
    assert delay(RetryPolicy(disabled=True), 1) is None


@pytest.mark.parametrize(("tries", "allowed"), [(1, True), (2, True), (3, False)])
def test_attempts_altogether_are_bounded(tries, allowed):
    policy = RetryPolicy(max_attempts=3)

    assert (long_delay(policy, tries, lambda: 1.0) is not None) is allowed


def test_long_delays_double_up_to_the_longest():
    policy = RetryPolicy(min_delay=60, max_delay=300)

    delays = [long_delay(policy, n, lambda: 1.0) for n in range(1, 6)]

    assert delays == [60, 120, 240, 300, 300]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_long_delay_keeps_to_its_bounds(tries, chance):
    policy = RetryPolicy()

    delay = long_delay(policy, tries, lambda: chance)

    assert SHORTEST_DELAY <= delay <= policy.max_delay
