from __future__ import annotations

import pytest
from postroom_server.domain.errors import DeadlinePassed
from postroom_server.rpc.pace import SLOWEST, SLOWEST_PRESSED, Pace
from postroom_server.rpc.watchdog import Lane

from tests.support.clocks import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def pressed():
    return []


@pytest.fixture
def pace(clock, pressed):
    lane = Lane(20.0, 5.0, lambda: bool(pressed))
    return Pace(lane, clock, clock.monotonic())


def drip(pace, clock):
    for _ in range(30):
        clock.advance(1)
        pace.step(1)


def test_a_stream_that_drips_is_ended_although_it_is_never_silent(pace, clock):
    with pytest.raises(DeadlinePassed, match="slower than 64 KiB/s"):
        drip(pace, clock)


def test_a_flood_of_empty_frames_is_ended(pace, clock):
    clock.advance(20)
    pace.step(0)
    clock.advance(0.1)
    with pytest.raises(DeadlinePassed):
        pace.step(0)


def test_a_stream_at_the_slowest_speed_may_last_for_hours(pace, clock):
    for _ in range(7200):
        clock.advance(1)
        pace.step(SLOWEST)


def test_it_must_be_faster_while_others_wait_for_a_thread(pace, clock, pressed):
    for _ in range(60):
        clock.advance(1)
        pace.step(SLOWEST)
    pressed.append(True)
    with pytest.raises(DeadlinePassed, match="slower than 256 KiB/s"):
        pace.step(SLOWEST)


def test_a_fast_stream_is_let_be_while_others_wait(pace, clock, pressed):
    pressed.append(True)
    for _ in range(600):
        clock.advance(1)
        pace.step(SLOWEST_PRESSED)
