"""The numbers, as the contract has them."""

from __future__ import annotations

from postroom.v1 import stats_pb2 as wire

from postroom_server.domain.counters import COUNTED, Counters
from postroom_server.domain.hold import Hold
from postroom_server.domain.stats import (
    LATENCY_BOUNDS,
    Latency,
    PoolStats,
    QueueStats,
    RelayStats,
    StatsReport,
    TenantStats,
    WindowStats,
)
from postroom_server.rpc.convert.attempts import number
from postroom_server.rpc.convert.conditions import relay_condition
from postroom_server.rpc.convert.times import duration, timestamp


def stats_response(report: StatsReport) -> wire.GetStatsResponse:
    """*report* as the contract has it."""
    return wire.GetStatsResponse(
        taken_at=timestamp(report.taken_at),
        started_at=timestamp(report.started_at),
        instance=report.instance,
        windows=map(_window, report.windows),
        queue=queue_stats(report.queue),
        relays=map(_relay, report.relays),
        tenants=map(_tenant, report.tenants),
        latency_bounds_seconds=LATENCY_BOUNDS,
        hold=None if report.hold is None else _hold(report.hold),
    )


def _hold(hold: Hold) -> wire.StoreHold:
    return wire.StoreHold(reason=hold.reason, since=timestamp(hold.since))


def _window(stats: WindowStats) -> wire.WindowStats:
    return wire.WindowStats(
        window=number(stats.window),
        length=duration(stats.length),
        counters=_counters(stats.counters),
        send_rate=stats.send_rate,
        success_rate=stats.success_rate,
        failure_rate=stats.failure_rate,
        latencies=map(_latency, stats.latencies),
    )


def _counters(counters: Counters) -> wire.DeliveryCounters:
    counted: dict[str, int] = {name: getattr(counters, name) for name in COUNTED}
    return wire.DeliveryCounters(**counted)


def _latency(latency: Latency) -> wire.Latency:
    return wire.Latency(
        kind=number(latency.kind),
        count=latency.count,
        sum_seconds=latency.sum_seconds,
        p50_seconds=latency.p50_seconds,
        p90_seconds=latency.p90_seconds,
        p99_seconds=latency.p99_seconds,
        bucket_counts=latency.bucket_counts,
    )


def _relay(stats: RelayStats) -> wire.RelayStats:
    return wire.RelayStats(
        relay=f"relays/{stats.relay}",
        windows=map(_window, stats.windows),
        pool=pool_stats(stats.pool),
        queue=queue_stats(stats.queue),
        condition=relay_condition(stats.condition),
    )


def _tenant(stats: TenantStats) -> wire.TenantStats:
    return wire.TenantStats(
        tenant=f"tenants/{stats.tenant}",
        windows=map(_window, stats.windows),
        queue=queue_stats(stats.queue),
    )


def pool_stats(reading: PoolStats) -> wire.PoolStats:
    """The sessions of one relay."""
    return wire.PoolStats(
        max_size=reading.max_size,
        idle=reading.idle,
        in_use=reading.in_use,
        opening=reading.opening,
        waiting=reading.waiting,
        created=reading.created,
        reused=reading.reused,
        closed=reading.closed,
        closed_by=[
            wire.CloseCount(reason=number(reason), count=count)
            for reason, count in sorted(reading.closed_by.items())
        ],
        wait_timeouts=reading.wait_timeouts,
    )


def queue_stats(queue: QueueStats) -> wire.QueueStats:
    """What waits."""
    return wire.QueueStats(
        due=queue.due,
        scheduled=queue.scheduled,
        retrying=queue.retrying,
        sending=queue.sending,
        oldest_due_age=duration(queue.oldest_due_age),
    )
