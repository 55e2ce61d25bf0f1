"""The meter counts what happened in each window, exactly."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.counters import NOTHING, Counters
from postroom_server.domain.stats import LATENCY_BOUNDS, LatencyKind, StatsWindow
from postroom_server.telemetry.meter import Meter

from tests.support.clocks import FakeClock

ACCEPTED = Counters(accepted=1)
MINUTE = {
    StatsWindow.LAST_1M: 60,
    StatsWindow.LAST_5M: 300,
    StatsWindow.LAST_60M: 3600,
}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def meter(clock):
    return Meter(clock)


def accepted(meter, relay=""):
    return {w.window: w.counters.accepted for w in meter.windows(relay)}


def test_a_new_meter_has_every_window_empty_and_the_shortest_last(meter):
    windows = meter.windows()

    assert [w.window for w in windows] == [
        StatsWindow.SINCE_START,
        StatsWindow.LAST_60M,
        StatsWindow.LAST_5M,
        StatsWindow.LAST_1M,
    ]
    assert all(w.counters == NOTHING and w.length == 0 for w in windows)
    assert all(w.send_rate == 0 and w.success_rate is None for w in windows)


def test_what_is_older_than_a_window_is_not_in_it(clock, meter):
    meter.record("main", ACCEPTED)
    clock.advance(61)
    meter.record("main", ACCEPTED)
    clock.advance(300)
    meter.record("main", ACCEPTED)

    assert accepted(meter) == {
        StatsWindow.SINCE_START: 3,
        StatsWindow.LAST_60M: 3,
        StatsWindow.LAST_5M: 1,
        StatsWindow.LAST_1M: 1,
    }


def test_a_window_empties_by_itself(clock, meter):
    meter.record("main", ACCEPTED)
    clock.advance(3 * 3600)

    assert accepted(meter) == {
        StatsWindow.SINCE_START: 1,
        StatsWindow.LAST_60M: 0,
        StatsWindow.LAST_5M: 0,
        StatsWindow.LAST_1M: 0,
    }


def test_windows_are_shorter_at_first(clock, meter):
    clock.advance(45.5)

    assert {w.length for w in meter.windows()} == {45.5}


@pytest.mark.parametrize("uptime", [60.0, 400.25, 10_000.5, 100_000.0])
def test_a_window_tells_its_true_length(clock, meter, uptime):
    clock.advance(uptime)
    for window in meter.windows():
        nominal = min(uptime, MINUTE.get(window.window, uptime))

        assert nominal * 59 / 60 <= window.length <= nominal


def test_rates_are_per_second_of_the_window(clock, meter):
    clock.advance(20)
    meter.record("main", Counters(succeeded=30, partial=10, failed=5))
    clock.advance(20)

    assert {w.send_rate for w in meter.windows()} == {1.0}


def test_the_wall_clock_may_jump(clock, meter):
    meter.record("main", ACCEPTED)
    clock.jump(86_400)
    clock.advance(1)

    assert set(accepted(meter).values()) == {1}


def test_relays_are_counted_apart_and_together(meter):
    meter.record("main", ACCEPTED)
    meter.record("bulk", Counters(accepted=5))

    assert set(accepted(meter, "main").values()) == {1}
    assert set(accepted(meter, "bulk").values()) == {5}
    assert set(accepted(meter, "unused").values()) == {0}
    assert set(accepted(meter).values()) == {6}


def test_latencies_come_only_when_asked_for(meter):
    meter.observe("main", {LatencyKind.TLS: 0.2})

    assert all(w.latencies == () for w in meter.windows())


def test_every_kind_is_listed_once(meter):
    latencies = meter.windows(latencies=True)[0].latencies

    assert [entry.kind for entry in latencies] == list(LatencyKind)[1:]


def test_a_latency_falls_in_the_bucket_of_the_bound_that_it_does_not_exceed(meter):
    for seconds in (-1.0, LATENCY_BOUNDS[3], LATENCY_BOUNDS[-1] + 1):
        meter.observe("main", {LatencyKind.AUTH: seconds})
    auth = meter.windows(latencies=True)[-1].latencies[LatencyKind.AUTH - 1]

    assert [n for n, count in enumerate(auth.bucket_counts) if count] == [
        0,
        3,
        len(LATENCY_BOUNDS),
    ]
    assert auth.count == 3
    assert auth.sum_seconds == LATENCY_BOUNDS[3] + LATENCY_BOUNDS[-1] + 1


steps = st.lists(
    st.tuples(
        st.floats(0, 700).map(lambda seconds: round(seconds, 3)),
        st.sampled_from(["main", "bulk"]),
        st.integers(1, 1000),
    ),
    max_size=40,
)


@given(steps)
def test_every_window_sums_up_what_lies_in_it(recorded):
    clock = FakeClock()
    meter = Meter(clock)
    history, elapsed = [], 0.0
    for pause, relay, count in recorded:
        clock.advance(pause)
        elapsed = clock.monotonic() - 1000.0
        meter.record(relay, Counters(accepted=count))
        history.append((elapsed, relay, count))
    for relay in ("main", "bulk", ""):
        for window in meter.windows(relay):
            begin = elapsed - window.length
            expected = sum(
                count
                for at, name, count in history
                if at >= begin - 1e-6 and relay in {"", name}
            )

            assert window.counters.accepted == expected


def test_threads_lose_no_count(meter):
    barrier = threading.Barrier(4)

    def count():
        barrier.wait(10)
        for _ in range(500):
            meter.record("main", ACCEPTED)
            meter.observe("main", {LatencyKind.SEND: 0.01})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    since_start = meter.windows(latencies=True)[0]

    assert since_start.counters.accepted == 2000
    assert since_start.latencies[LatencyKind.SEND - 1].count == 2000


def test_memory_is_bounded_however_long_it_runs(clock, meter):
    for _ in range(500):
        meter.record("main", ACCEPTED)
        clock.advance(61)
    rings = meter._tallies["main", "default"]._rings.values()

    assert max(len(ring._slots) for ring in rings) <= 60
