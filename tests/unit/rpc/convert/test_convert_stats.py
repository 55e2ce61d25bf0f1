from __future__ import annotations

from dataclasses import fields

import pytest
from postroom.v1 import stats_pb2
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.hold import Hold
from postroom_server.domain.relays import RelayCondition, RelayPause, RelayState
from postroom_server.domain.stats import (
    LATENCY_BOUNDS,
    CloseReason,
    Latency,
    LatencyKind,
    PoolStats,
    QueueStats,
    RelayStats,
    StatsReport,
    StatsWindow,
    TenantStats,
    WindowStats,
)
from postroom_server.rpc.convert.stats import stats_response

from tests.support.deliveries import NOW
from tests.support.wire_fields import unset

COUNTERS = Counters(**{f.name: n for n, f in enumerate(fields(Counters), 1)})
BUCKETS = (0, 3, *[0] * (len(LATENCY_BOUNDS) - 2), 1)
WINDOW = WindowStats(
    window=StatsWindow.LAST_5M,
    length=12.5,
    counters=COUNTERS,
    latencies=(Latency(kind=LatencyKind.SEND, sum_seconds=2.5, bucket_counts=BUCKETS),),
)
QUEUE = QueueStats(due=1, scheduled=5, retrying=2, sending=3, oldest_due_age=4.5)
POOL = PoolStats(
    max_size=10,
    idle=1,
    in_use=2,
    opening=3,
    waiting=4,
    created=5,
    reused=6,
    closed_by={CloseReason.DRAINED: 7, CloseReason.IDLE: 8},
    wait_timeouts=9,
)
REPORT = StatsReport(
    taken_at=Instant(NOW + 1),
    started_at=NOW,
    instance="0a1b",
    windows=(WINDOW,),
    queue=QUEUE,
    hold=Hold("restored", NOW),
    tenants=(TenantStats(tenant="acme", windows=(WINDOW,), queue=QUEUE),),
    relays=(
        RelayStats(
            relay="main",
            windows=(WINDOW,),
            pool=POOL,
            queue=QUEUE,
            condition=RelayCondition(
                state=RelayState.PAUSED,
                pace=0.5,
                failures=2,
                resumes_in=3.0,
                pause=RelayPause("repairs", "ops", NOW),
            ),
        ),
    ),
)


@pytest.fixture
def response() -> stats_pb2.GetStatsResponse:
    return stats_response(REPORT)


def test_no_number_is_forgotten(response):
    assert list(unset(response)) == []


def test_every_counter_keeps_its_name(response):
    counted = response.windows[0].counters

    assert {f.name: v for f, v in counted.ListFields()} == {
        f.name: getattr(COUNTERS, f.name) for f in fields(Counters)
    }


def test_a_window_keeps_what_it_says(response):
    window = response.windows[0]

    assert window.window == stats_pb2.STATS_WINDOW_5M
    assert window.length.ToMilliseconds() == 12_500
    assert window.send_rate == WINDOW.send_rate
    assert window.success_rate == WINDOW.success_rate
    assert window.failure_rate == WINDOW.failure_rate


def test_a_rate_of_nothing_is_unset():
    idle = WindowStats(window=StatsWindow.ALL, length=1.0, counters=Counters())
    found = stats_response(
        StatsReport(
            taken_at=NOW, started_at=NOW, instance="", windows=(idle,), queue=QUEUE
        )
    ).windows[0]

    assert not found.HasField("success_rate")
    assert not found.HasField("failure_rate")


def test_a_rate_of_zero_is_set():
    cursed = WindowStats(
        window=StatsWindow.ALL, length=1.0, counters=Counters(failed=1)
    )
    found = stats_response(
        StatsReport(
            taken_at=NOW, started_at=NOW, instance="", windows=(cursed,), queue=QUEUE
        )
    ).windows[0]

    assert found.HasField("success_rate")
    assert (found.success_rate, found.failure_rate) == (0.0, 1.0)


def test_latencies_go_with_the_bounds(response):
    latency = response.windows[0].latencies[0]

    assert (latency.kind, latency.count, latency.sum_seconds) == (6, 4, 2.5)
    assert tuple(latency.bucket_counts) == BUCKETS
    assert len(latency.bucket_counts) == len(response.latency_bounds_seconds) + 1
    assert tuple(response.latency_bounds_seconds) == LATENCY_BOUNDS


def test_a_pool_keeps_what_it_says(response):
    pool = response.relays[0].pool
    gauges = (pool.max_size, pool.idle, pool.in_use, pool.opening, pool.waiting)

    assert gauges == (10, 1, 2, 3, 4)
    assert (pool.created, pool.reused, pool.closed, pool.wait_timeouts) == (5, 6, 15, 9)
    assert [(c.reason, c.count) for c in pool.closed_by] == [(1, 8), (8, 7)]


def test_a_relay_goes_by_its_name(response):
    assert response.relays[0].relay == "relays/main"


def test_the_queue_keeps_what_it_says(response):
    queue = response.queue

    assert (queue.due, queue.retrying, queue.sending) == (1, 2, 3)
    assert queue.oldest_due_age.ToMilliseconds() == 4_500
