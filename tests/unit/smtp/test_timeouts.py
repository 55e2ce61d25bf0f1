from __future__ import annotations

import math
import time

import pytest
from postroom_server.domain.attempt import FailureReason
from postroom_server.smtp.timeouts import (
    NO_DEADLINE,
    NOT_AT_ALL,
    Deadline,
    Timeouts,
    Wait,
)


def test_the_time_outs_are_no_shorter_than_the_standard_asks():
    ours = Timeouts()

    assert ours.greeting >= 300
    assert ours.command >= 300
    assert ours.data >= 120
    assert ours.block >= 180
    assert ours.final >= 600


def test_scaled_time_outs_keep_their_proportions():
    half = Timeouts().scaled(0.5)

    assert half.final == Timeouts().final / 2
    assert half.body(1_000_000) == Timeouts().body(1_000_000) / 2


def test_a_larger_body_may_take_longer():
    assert Timeouts().body(10**8) > Timeouts().body(10**4) > Timeouts().block


@pytest.mark.parametrize(
    ("own", "deadline", "reason"),
    [
        (10, lambda: Deadline.after(5), FailureReason.DEADLINE),
        (5, lambda: Deadline.after(10), FailureReason.TIMEOUT),
        (5, lambda: NO_DEADLINE, FailureReason.TIMEOUT),
        (5, lambda: NOT_AT_ALL, FailureReason.DEADLINE),
    ],
)
def test_what_ends_first_is_the_reason(own, deadline, reason):
    wait = Wait(own, deadline())

    assert wait.reason is reason
    assert wait.remaining() <= 5


def test_a_deadline_moved_later_gives_more_time():
    deadline = NOT_AT_ALL
    wait = Wait(10, lambda: deadline)
    before = wait.remaining()
    deadline = Deadline.after(10)

    assert before == 0
    assert wait.remaining() > 5


def test_a_wait_is_slept_through_in_short_pauses():
    assert Wait(600).pause() <= 1
    assert Wait(0.1).pause() <= 0.1


def test_a_share_of_a_wait_leaves_time_for_the_others():
    assert 2 < Wait(9).share(3).remaining() <= 3


@pytest.mark.parametrize(
    ("deadline", "left"),
    [(NO_DEADLINE, math.inf), (NOT_AT_ALL, 0.0), (Deadline(time.monotonic() - 1), 0.0)],
)
def test_what_is_left_of_a_deadline_is_never_negative(deadline, left):
    assert deadline.remaining() == left


def test_a_bounded_deadline_is_the_sooner_one():
    assert Deadline.after(5).bounded(1).remaining() <= 1
    assert Deadline.after(1).bounded(5).remaining() <= 1
