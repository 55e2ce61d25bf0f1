from __future__ import annotations

import pytest
from postroom_server.outbox.remembering import A_MOMENT, MOST, Remembered

from tests.support.clocks import FakeClock


class Counting:
    """A count that takes so many *seconds*."""

    def __init__(self, seconds):
        self.clock = FakeClock()
        self.seconds = seconds
        self.asked = 0
        self.remembered = Remembered(self.clock.monotonic)

    def find(self):
        self.clock.advance(self.seconds)
        self.asked += 1
        return self.asked

    def get(self, asked="all"):
        return self.remembered.get(asked, self.find)


def test_what_took_a_moment_is_found_anew_each_time():
    counting = Counting(A_MOMENT / 2)

    assert [counting.get() for _ in range(3)] == [1, 2, 3]


def test_what_took_long_is_kept_for_twenty_times_that():
    counting = Counting(0.3)
    assert [counting.get() for _ in range(3)] == [1, 1, 1]

    counting.clock.advance(5.9)
    assert counting.get() == 1
    counting.clock.advance(0.2)
    assert counting.get() == 2


def test_each_question_has_its_own_answer():
    counting = Counting(0.3)

    assert [counting.get("a"), counting.get("b"), counting.get("a")] == [1, 2, 1]


def test_what_fails_is_not_kept():
    counting = Counting(0.3)

    def fail():
        counting.clock.advance(1)
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        counting.remembered.get("all", fail)
    assert counting.get() == 1


def test_questions_without_end_take_no_memory_without_end():
    counting = Counting(0.3)
    for number in range(2 * MOST):
        counting.get(number)

    assert len(counting.remembered._answers) <= MOST
