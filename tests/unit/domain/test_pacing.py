from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.pacing import Bucket, Limits, Rate

RATES = st.builds(
    Rate,
    per_second=st.floats(0.01, 1000.0),
    burst=st.integers(1, 1000).map(float),
)
STEPS = st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(0, 50)), max_size=60)


@given(RATES, STEPS)
def test_no_span_of_time_gets_more_than_rate_times_time_and_the_burst(rate, steps):
    now, bucket, taken = 0.0, Bucket.full(rate, 0.0), []
    for pause, want in steps:
        now += pause
        bucket, grant = bucket.take(rate, now, want)
        taken.append((now, grant.taken))

    for place, (begin, _) in enumerate(taken):
        total = 0
        for end, count in taken[place:]:
            total += count
            assert total <= rate.per_second * (end - begin) + rate.burst + 1e-6


@given(RATES, STEPS)
def test_who_waits_as_told_gets_one_and_not_sooner(rate, steps):
    now, bucket = 0.0, Bucket.full(rate, 0.0)
    for pause, want in steps:
        now += pause
        bucket, _ = bucket.take(rate, now, want)
    wait = bucket.wait(rate)

    _, granted = bucket.take(rate, now + wait, 1)
    assert granted.taken == 1
    if wait > 1e-3:
        _, early = bucket.take(rate, now + wait * 0.99, 1)
        assert early.taken == 0


@given(RATES, st.integers(0, 50))
def test_those_ahead_are_waited_for(rate, ahead):
    bucket = Bucket(0.0, 0.0)

    wait = bucket.wait(rate, ahead)

    assert wait == pytest.approx((1 + ahead) / rate.per_second, rel=1e-6)


def test_a_bucket_that_gains_nothing_stays_empty():
    quota = Rate(0.0, 3.0)

    bucket, grant = Bucket.full(quota, 0.0).take(quota, 0.0, 5)
    _, later = bucket.take(quota, 1e9, 5)

    assert (grant.taken, grant.wait) == (3, math.inf)
    assert later.taken == 0


def test_a_clock_that_goes_back_gives_nothing():
    rate = Rate(10.0, 1.0)
    bucket, _ = Bucket.full(rate, 100.0).take(rate, 100.0, 1)

    back, grant = bucket.take(rate, 50.0, 1)
    _, again = back.take(rate, 100.05, 1)

    assert grant.taken == again.taken == 0


def test_what_is_given_back_never_goes_beyond_the_burst():
    rate = Rate(1.0, 5.0)

    bucket = Bucket.full(rate, 0.0).given_back(rate, 0.0, 3)

    assert bucket.level == 5.0


@pytest.mark.parametrize(
    ("limits", "burst"),
    [
        (Limits(max_per_second=20.0), 20.0),
        (Limits(max_per_second=0.1), 1.0),
        (Limits(max_per_second=20.0, burst=3), 3),
    ],
)
def test_without_a_burst_of_its_own_it_is_what_one_second_brings(limits, burst):
    assert limits.messages.burst == burst


def test_nothing_is_limited_that_no_setting_limits():
    none = Limits()

    assert (none.messages, none.connections) == (None, None)
