"""When a process that died is started again.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 0.5
MOST = 30.0
STEADY = 60.0
"""Seconds: the first pause, the longest, and after which run a death is no habit."""


@dataclass(slots=True)
class Restarts:
    """The deaths in a row of one process."""

    deaths: int = 0

    def pause(self, ran: float, chance: float) -> float:
        """Seconds until the next start, after a run of *ran* seconds.

        *chance*, from 0 to 1, spreads them, so that many don't come back at once.
        """
        if ran >= STEADY:
            self.deaths = 0
        longest = min(MOST, FIRST * 2.0 ** min(self.deaths, 16))
        self.deaths += 1
        return longest * (0.5 + chance / 2)
