"""The numbers of this process: counts and latencies, by relay and window of time.

Measured on the monotonic clock, so a jump of the wall clock neither empties a window
nor makes it longer (threat R5).  Memory is bounded by the number of relays.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from postroom_server.domain.clock import Clock
from postroom_server.domain.counters import Counters
from postroom_server.domain.stats import LatencyKind, StatsWindow, WindowStats
from postroom_server.telemetry.rings import Vector, covered, plus
from postroom_server.telemetry.tally import (
    EMPTY,
    SLOT,
    Tally,
    counters_of,
    latencies_of,
)

WINDOWS = (StatsWindow.SINCE_START, *sorted(SLOT, reverse=True))
"""The windows of a process; the shortest last, as the contract has them."""


class Meter:
    """Counts since it was made.  Safe for threads; waits for no one but its like."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._start = clock.monotonic()
        self._lock = threading.Lock()
        self._tallies: dict[str, Tally] = {}

    def record(self, relay: str, counters: Counters) -> None:
        """Add *counters* to those of *relay*, a bare id."""
        with self._lock:
            self._tally(relay).count(self._moment(), counters)

    def observe(self, relay: str, kind: LatencyKind, seconds: float) -> None:
        """Add that something of *kind* took *seconds* at *relay*."""
        with self._lock:
            self._tally(relay).time(self._moment(), kind, seconds)

    def windows(
        self, relay: str = "", *, latencies: bool = False
    ) -> tuple[WindowStats, ...]:
        """The numbers of *relay*, or of all; the shortest window last.

        The windows of minutes are made of 60 slots, so a minute is between 59 and 60
        seconds long; `WindowStats.length` is exact.
        """
        moment, vectors = self._snapshot(relay)
        return tuple(
            _reading(window, moment, vectors[window], latencies=latencies)
            for window in WINDOWS
        )

    def _snapshot(self, relay: str) -> tuple[float, dict[StatsWindow, list[Vector]]]:
        """What is to be added up, taken at one moment; adding needs no lock."""
        gathered: dict[StatsWindow, list[Vector]] = {window: [] for window in WINDOWS}
        with self._lock:
            moment = self._moment()
            for name, tally in self._tallies.items():
                if relay in {"", name}:
                    for window, vectors in tally.vectors(moment).items():
                        gathered[window] += vectors
        return moment, gathered

    def _tally(self, relay: str) -> Tally:
        tally = self._tallies.get(relay)
        if tally is None:
            tally = self._tallies[relay] = Tally()
        return tally

    def _moment(self) -> float:
        return self._monotonic() - self._start


def _reading(
    window: StatsWindow,
    moment: float,
    vectors: Iterable[Vector],
    *,
    latencies: bool,
) -> WindowStats:
    total = EMPTY
    for vector in vectors:
        total = plus(total, vector)
    slot = SLOT.get(window)
    return WindowStats(
        window=window,
        length=moment if slot is None else covered(slot, moment),
        counters=counters_of(total),
        latencies=latencies_of(total) if latencies else (),
    )
