"""How values are spread: counts by size, and their sum."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass

SECONDS_BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
"""For what takes from half a millisecond to two minutes."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One reading.  *bucket_counts* go with *bounds*, upper and inclusive; the last
    of them counts what is above all bounds.
    """

    bounds: tuple[float, ...]
    bucket_counts: tuple[int, ...]
    total: float


class Spread:
    """Counts values since it was made.  Safe for threads."""

    __slots__ = ("_bounds", "_counts", "_lock", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        """Count *value*."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += 1
            self._total += value

    def reading(self) -> Distribution:
        """All values so far."""
        with self._lock:
            return Distribution(self._bounds, tuple(self._counts), self._total)
