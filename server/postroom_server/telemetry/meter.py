"""The numbers of one process: counts and latencies, by relay, tenant and window.

Measured on the monotonic clock, so a jump of the wall clock neither empties a window
nor makes it longer (threat R5).  Memory is bounded by how many
relays and tenants there are.
"""

from __future__ import annotations

import threading
from collections import Counter as CountOf
from collections import defaultdict
from collections.abc import Iterable, Mapping

from postroom_server.domain.attempt import Attempt, AttemptOutcome, FailureReason
from postroom_server.domain.clock import Clock
from postroom_server.domain.counters import Counters
from postroom_server.domain.principal import DEFAULT_TENANT
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


Verdict = tuple[str, AttemptOutcome, FailureReason]
"""How an attempt ended: relay, outcome, reason."""


class Meter:
    """Counts since it was made.  Safe for threads; waits for no one but its like."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._start = clock.monotonic()
        self._lock = threading.Lock()
        self._tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        self._verdicts: CountOf[Verdict] = CountOf()

    def record(
        self,
        relay: str,
        counters: Counters,
        tenant: str = DEFAULT_TENANT,
        *,
        ended: Attempt | None = None,
    ) -> None:
        """Add *counters* to those of *relay*, a bare id, and *tenant*.

        And how the attempt went that *ended*.
        """
        with self._lock:
            self._tallies[relay, tenant].count(self._moment(), counters)
            if ended is not None:
                self._verdicts[relay, ended.outcome, ended.reason] += 1

    def observe(
        self,
        relay: str,
        spent: Mapping[LatencyKind, float],
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        """Add that at *relay* steps took the seconds *spent* on each."""
        with self._lock:
            self._tallies[relay, tenant].time(self._moment(), spent)

    def verdicts(self) -> Mapping[Verdict, int]:
        """How many attempts ended how, since the start."""
        with self._lock:
            return dict(self._verdicts)

    def totals(self) -> Mapping[str, WindowStats]:
        """The numbers since the start, with latencies, by relay."""
        totals: dict[str, Vector] = {}
        with self._lock:
            moment = self._moment()
            for (relay, _), tally in self._tallies.items():
                totals[relay] = plus(totals.get(relay, EMPTY), tally.total())
        return {
            name: _reading(StatsWindow.SINCE_START, moment, [total], latencies=True)
            for name, total in totals.items()
        }

    def windows(
        self, relay: str = "", *, tenant: str = "", latencies: bool = False
    ) -> tuple[WindowStats, ...]:
        """The numbers of *relay* and *tenant*, or of all; the shortest window last.

        The windows of minutes are made of 60 slots, so a minute is between 59 and 60
        seconds long; `WindowStats.length` is exact.
        """
        moment, vectors = self._snapshot(relay, tenant)
        return tuple(
            _reading(window, moment, vectors[window], latencies=latencies)
            for window in WINDOWS
        )

    def _snapshot(
        self, relay: str, tenant: str
    ) -> tuple[float, dict[StatsWindow, list[Vector]]]:
        """What is to be added up, taken at one moment; adding needs no lock."""
        gathered: dict[StatsWindow, list[Vector]] = {window: [] for window in WINDOWS}
        with self._lock:
            moment = self._moment()
            for (name, whose), tally in self._tallies.items():
                if relay in {"", name} and tenant in {"", whose}:
                    for window, vectors in tally.vectors(moment).items():
                        gathered[window] += vectors
        return moment, gathered

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
