from __future__ import annotations

from itertools import pairwise

import pytest
from postroom_server.delivery.throttle import (
    EASING,
    GENTLEST,
    TOGETHER,
    Throttle,
    complains,
)
from postroom_server.domain.attempt import Phase
from postroom_server.domain.reply import Reply

from tests.support.clocks import FakeClock


def said(code, enhanced="", text="slow down, retry in 86400 seconds"):
    return Reply(code=code, enhanced_code=enhanced, text=text, phase=Phase.MAIL)


class Slowed:
    def __init__(self, most=16):
        self.clock = FakeClock()
        self.throttle = Throttle(lambda: most, self.clock.monotonic)

    def complain(self, times):
        for _ in range(times):
            self.throttle.complained()
            self.clock.advance(TOGETHER)


@pytest.mark.parametrize(
    ("reply", "slows"),
    [
        (said(421), True),
        (said(454), True),
        (said(450, "4.7.1"), True),
        (said(451, "4.7.28"), True),
        (said(450, "4.2.0"), False),
        (said(452, "4.5.3"), False),
        (said(550, "5.7.1"), False),
        (said(250, "2.0.0", "421 4.7.0 too much"), False),
        (None, False),
    ],
)
def test_codes_alone_say_that_it_was_too_much(reply, slows):
    assert complains(reply) is slows


def test_a_complaint_halves_what_runs_side_by_side():
    slowed = Slowed(16)

    assert slowed.throttle.room(0) == 16
    slowed.complain(1)
    assert slowed.throttle.room(0) == 8
    assert slowed.throttle.room(7) == 1
    assert slowed.throttle.room(12) == 0


def test_complaints_that_come_together_count_once():
    slowed = Slowed(16)

    for _ in range(10):
        slowed.throttle.complained()

    assert slowed.throttle.share == 0.5


def test_where_one_at_a_time_is_too_much_starts_are_spaced_out():
    slowed = Slowed(4)
    slowed.complain(4)
    # A quarter of an attempt a second.
    slowed.throttle.started()

    assert slowed.throttle.room(0) == 0
    assert slowed.throttle.wait() == pytest.approx(4.0)
    slowed.clock.advance(4)
    assert slowed.throttle.room(0) == 1
    assert slowed.throttle.room(1) == 0


def test_a_relay_is_never_left_without_any_attempt():
    slowed = Slowed(4)
    slowed.complain(50)

    assert slowed.throttle.share * 4 >= GENTLEST
    slowed.clock.advance(1 / GENTLEST)
    assert slowed.throttle.room(0) >= 1


def test_time_alone_restores_it_step_by_step():
    slowed = Slowed(10)
    slowed.complain(20)
    shares = []
    for _ in range(30):
        slowed.clock.advance(EASING)
        shares.append(slowed.throttle.share)

    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(b <= max(2 * a, a + 0.11) for a, b in pairwise(shares))


def test_a_restored_relay_gets_all_its_slots():
    slowed = Slowed(16)
    slowed.complain(3)
    slowed.clock.advance(3600)

    assert slowed.throttle.room(0) == 16
    assert slowed.throttle.wait() == 0
