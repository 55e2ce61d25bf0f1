"""The recent past in a bounded number of slots.

A ring divides time into slots of equal length, numbered from the start, and keeps the
sums of the last `SLOTS`.  Sums are tuples and never change, so whoever took a list of
them may add them up without a lock.
"""

from __future__ import annotations

from collections import deque
from operator import add

Vector = tuple[float, ...]
SLOTS = 60


class Ring:
    """Sums of the last `SLOTS` slots of *slot* seconds each."""

    __slots__ = ("_slots", "_span")

    def __init__(self, slot: float) -> None:
        self._span = slot
        self._slots: deque[tuple[int, Vector]] = deque(maxlen=SLOTS)

    def fold(self, moment: float, vector: Vector) -> None:
        """Add what was counted at *moment*, in seconds since the start.

        Moments come in rising order, but for those within one slot.
        """
        number = int(moment / self._span)
        if self._slots and self._slots[-1][0] == number:
            vector = plus(self._slots.pop()[1], vector)
        self._slots.append((number, vector))

    def recent(self, moment: float) -> list[Vector]:
        """The sums that lie in the window that ends at *moment*."""
        oldest = int(moment / self._span) - SLOTS
        return [vector for number, vector in self._slots if number > oldest]


def covered(slot: float, moment: float) -> float:
    """How much time the window of a ring that ends at *moment* covers, in seconds."""
    return moment - slot * max(0, int(moment / slot) - SLOTS + 1)


def plus(first: Vector, second: Vector) -> Vector:
    """The two added up, place by place."""
    return tuple(map(add, first, second))
