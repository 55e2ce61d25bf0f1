"""Rates, shares and percentiles follow from what was counted."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.counters import Counters
from postroom_server.domain.stats import (
    LATENCY_BOUNDS,
    CloseReason,
    Latency,
    LatencyKind,
    PoolStats,
    StatsWindow,
    WindowStats,
    percentile,
)


def window(length=10.0, **counts):
    counters = Counters(**counts)
    return WindowStats(window=StatsWindow.ALL, length=length, counters=counters)


def buckets(values):
    counts = [0] * (len(LATENCY_BOUNDS) + 1)
    for value in values:
        counts[bisect_left(LATENCY_BOUNDS, value)] += 1
    return tuple(counts)


@pytest.mark.parametrize(
    ("counts", "success", "failure"),
    [
        ({}, None, None),
        ({"cancelled": 4}, None, None),
        ({"accepted": 9, "attempts": 9}, None, None),
        ({"succeeded": 3, "cancelled": 9}, 1.0, 0.0),
        ({"succeeded": 1, "rejected": 1, "partial": 1, "uncertain": 1}, 0.25, 0.25),
        ({"rejected": 1, "failed": 1, "temp_failed": 1, "expired": 1}, 0.0, 1.0),
    ],
)
def test_shares_are_of_all_that_ended_but_the_cancelled(counts, success, failure):
    reading = window(**counts)

    assert reading.success_rate == success
    assert reading.failure_rate == failure


def test_what_was_sent_wholly_or_in_part_makes_the_rate():
    assert window(length=4.0, succeeded=6, partial=2, failed=7).send_rate == 2.0


def test_no_time_has_no_rate():
    assert window(length=0.0, succeeded=6).send_rate == 0.0


def test_percentiles_of_nothing_are_zero():
    assert percentile(buckets([]), 0.99) == 0.0


def test_a_full_bucket_counts_as_filled_evenly():
    latency = Latency(
        kind=LatencyKind.SEND,
        sum_seconds=0.0,
        bucket_counts=buckets([0.2] * 100),
    )

    assert latency.count == 100
    assert latency.p50_seconds == pytest.approx(0.1 + 0.15 * 0.5)
    assert latency.p90_seconds == pytest.approx(0.1 + 0.15 * 0.9)
    assert latency.p99_seconds == pytest.approx(0.1 + 0.15 * 0.99)


def test_beyond_the_last_bound_the_bound_is_all_that_is_known():
    assert percentile(buckets([1e9]), 0.5) == LATENCY_BOUNDS[-1]


@given(
    st.lists(st.floats(0, LATENCY_BOUNDS[-1]), min_size=1),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values, share):
    rank = math.ceil(round(share * len(values), 6))
    true = sorted(values)[rank - 1]
    place = bisect_left(LATENCY_BOUNDS, true)
    lower = LATENCY_BOUNDS[place - 1] if place else 0.0

    assert lower <= percentile(buckets(values), share) <= LATENCY_BOUNDS[place] + 1e-9


def test_closed_sessions_add_up():
    closed_by = {CloseReason.IDLE: 2, CloseReason.DEAD: 1}

    assert PoolStats(max_size=10, closed_by=closed_by).closed == 3
