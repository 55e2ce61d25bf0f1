from __future__ import annotations

import threading

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.rpc.watchdog import GRACE, TICK, Lane, Watchdog

from tests.support.clocks import FakeClock


class Call:
    def __init__(self):
        self.cancelled = threading.Event()

    def cancel(self):
        self.cancelled.set()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def pressed():
    return []


@pytest.fixture
def lane(pressed):
    return Lane(20.0, 0.5, lambda: bool(pressed))


@pytest.fixture
def watchdog(clock):
    return Watchdog(clock)


def test_a_wait_that_is_too_long_is_ended(watchdog, lane, clock):
    call = Call()
    wait = watchdog.watch(call, lane)
    clock.advance(19.9)
    watchdog.sweep()
    early = call.cancelled.is_set()
    clock.advance(0.1)
    watchdog.sweep()

    assert not early
    assert call.cancelled.is_set()
    assert wait.expired


def test_a_wait_that_is_released_is_left_alone(watchdog, lane, clock):
    call = Call()
    wait = watchdog.watch(call, lane)
    watchdog.release(wait)
    clock.advance(60)
    watchdog.sweep()

    assert not call.cancelled.is_set()
    assert not wait.expired


def test_who_makes_others_wait_has_less_time(watchdog, lane, clock, pressed):
    call = Call()
    watchdog.watch(call, lane)
    clock.advance(0.6)
    watchdog.sweep()
    before = call.cancelled.is_set()
    pressed.append(True)
    watchdog.sweep()

    assert not before
    assert call.cancelled.is_set()


def test_pressure_never_gives_more_time(clock):
    lane = Lane(0.3, 5.0, lambda: True)

    assert lane.allowed() == 0.3


def test_time_in_the_queue_counts_but_leaves_a_moment_to_read(watchdog, lane, clock):
    call = Call()
    watchdog.watch(call, lane, since=clock.monotonic() - 60)
    watchdog.sweep()
    early = call.cancelled.is_set()
    clock.advance(GRACE)
    watchdog.sweep()

    assert not early
    assert call.cancelled.is_set()


def test_the_thread_ends_waits_by_itself(watchdog):
    patient = Watchdog(SystemClock())
    patient.start()
    calls = [Call() for _ in range(3)]
    for call in calls:
        patient.watch(call, Lane(0.0, 0.0, lambda: False))
    ended = [call.cancelled.wait(20) for call in calls]
    patient.close()

    assert ended == [True, True, True]


def test_the_thread_looks_again_at_a_wait_that_was_not_too_long_yet():
    patient = Watchdog(SystemClock())
    patient.start()
    call = Call()
    patient.watch(call, Lane(3 * TICK, 3 * TICK, lambda: False))
    ended = call.cancelled.wait(20)
    patient.close()

    assert ended


def test_closing_ends_the_thread(clock):
    watchdog = Watchdog(clock)
    watchdog.start()
    watchdog.close()

    assert not watchdog._thread.is_alive()


def test_a_watchdog_that_never_began_can_be_closed(watchdog):
    watchdog.close()

    assert not watchdog._thread.is_alive()
