"""Whether this process uses a processor up."""

from __future__ import annotations

import pytest
from postroom_server.outbox.company import BUSY, SPAN, Busyness

from tests.support.clocks import FakeClock

LONG = 2 * SPAN


class Spent:
    """Processor time, as it is told."""

    def __init__(self) -> None:
        self.seconds = 7.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spent() -> Spent:
    return Spent()


def pass_time(clock, spent, seconds, part):
    clock.advance(seconds)
    spent.seconds += part * seconds


@pytest.mark.parametrize(("part", "busy"), [(1.0, True), (BUSY - 0.01, False)])
def test_it_is_busy_when_it_used_nearly_all_of_a_processor(clock, spent, part, busy):
    watch = Busyness(clock, spent)
    pass_time(clock, spent, LONG, part)

    assert watch.is_busy() is busy


def test_it_is_not_judged_by_a_moment(clock, spent):
    watch = Busyness(clock, spent)
    pass_time(clock, spent, SPAN / 2, 1.0)

    assert not watch.is_busy()


def test_a_judgement_holds_until_the_next(clock, spent):
    watch = Busyness(clock, spent)
    pass_time(clock, spent, LONG, 1.0)
    first = watch.is_busy()
    pass_time(clock, spent, SPAN / 2, 0.0)
    second = watch.is_busy()
    pass_time(clock, spent, LONG, 0.0)

    assert (first, second, watch.is_busy()) == (True, True, False)
