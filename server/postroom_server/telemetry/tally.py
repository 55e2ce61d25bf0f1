"""What was counted and timed of one relay, now, of late, and since the start.

Counting touches one list, that of the second under way; when a second has passed, its
list is folded into the rings.  So counting is cheap, and the past costs the same
whatever happened in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from operator import add, attrgetter

from postroom_server.domain.counters import COUNTED, Counters
from postroom_server.domain.stats import (
    LATENCY_BOUNDS,
    Latency,
    LatencyKind,
    StatsWindow,
)
from postroom_server.telemetry.rings import Ring, Vector, plus

# One vector holds it all: the counters, then for each kind of latency the sum of
# seconds and the buckets.
_KINDS: tuple[LatencyKind, ...] = tuple(
    kind for kind in LatencyKind if kind is not LatencyKind.UNSPECIFIED
)
_COUNTERS = len(COUNTED)
_STRIDE = 1 + len(LATENCY_BOUNDS) + 1
_PLACES = {kind: _COUNTERS + n * _STRIDE for n, kind in enumerate(_KINDS)}
EMPTY: Vector = (0,) * (_COUNTERS + len(_KINDS) * _STRIDE)
_counted = attrgetter(*COUNTED)

SLOT = {
    StatsWindow.LAST_1M: 1.0,
    StatsWindow.LAST_5M: 5.0,
    StatsWindow.LAST_60M: 60.0,
}
"""How long the slots of each window's ring are, in seconds."""


class Tally:
    """One relay's counts.  Not safe for threads by itself: `Meter` holds a lock."""

    __slots__ = ("_now", "_rings", "_second", "_total")

    def __init__(self) -> None:
        self._second = 0
        self._now: list[float] = list(EMPTY)
        self._total = EMPTY
        self._rings: Mapping[StatsWindow, Ring] = {
            window: Ring(slot) for window, slot in SLOT.items()
        }

    def count(self, moment: float, counters: Counters) -> None:
        """Add *counters* at *moment*, in seconds since the start."""
        now = self._at(moment)
        now[:_COUNTERS] = map(add, now, _counted(counters))

    def time(self, moment: float, spent: Mapping[LatencyKind, float]) -> None:
        """Add that steps took the seconds *spent* on each.

        What ends on the wall clock may seem to end before it began; it took no time.
        """
        now = self._at(moment)
        for kind, seconds in spent.items():
            place = _PLACES[kind]
            if seconds > 0:
                now[place] += seconds
            now[place + 1 + bisect_left(LATENCY_BOUNDS, seconds)] += 1

    def vectors(self, moment: float) -> dict[StatsWindow, list[Vector]]:
        """What adds up to the counts of each window that ends at *moment*."""
        self._fold()
        recent = {window: ring.recent(moment) for window, ring in self._rings.items()}
        return {StatsWindow.SINCE_START: [self._total], **recent}

    def total(self) -> Vector:
        """What adds up to all counts so far."""
        self._fold()
        return self._total

    def _at(self, moment: float) -> list[float]:
        second = int(moment)
        if second != self._second:
            self._fold()
            self._second = second
        return self._now

    def _fold(self) -> None:
        done = tuple(self._now)
        if done == EMPTY:
            return
        self._total = plus(self._total, done)
        for ring in self._rings.values():
            ring.fold(self._second, done)
        self._now = list(EMPTY)


def counters_of(vector: Vector) -> Counters:
    """The counters in *vector*."""
    counts = map(int, vector[:_COUNTERS])
    return Counters(**dict(zip(COUNTED, counts, strict=True)))


def latencies_of(vector: Vector) -> tuple[Latency, ...]:
    """The latencies in *vector*, one of each kind."""
    return tuple(_latency(kind, vector) for kind in _KINDS)


def _latency(kind: LatencyKind, vector: Vector) -> Latency:
    place = _PLACES[kind]
    buckets = map(int, vector[place + 1 : place + _STRIDE])
    return Latency(kind=kind, sum_seconds=vector[place], bucket_counts=tuple(buckets))
