"""What the committer counts: how large its batches are, and how long they take."""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom_server.domain.distribution import SECONDS_BOUNDS, Distribution, Spread

WORKS_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Pieces of work; a batch has 256 at most (`LineSettings`)."""


@dataclass(frozen=True, slots=True)
class CommitReading:
    """*waiting* is how many callers stand in line now; the rest since the start.

    *works* is how many of them shared each commit, *seconds* how long it took.
    """

    waiting: int
    works: Distribution
    seconds: Distribution


@dataclass(frozen=True, slots=True)
class CommitCounts:
    """Fed by the one thread that commits, read by any."""

    works: Spread = field(default_factory=lambda: Spread(WORKS_BOUNDS))
    seconds: Spread = field(default_factory=lambda: Spread(SECONDS_BOUNDS))

    def committed(self, works: int, seconds: float) -> None:
        """A batch of so many *works* took so many *seconds*, stored or refused."""
        self.works.add(works)
        self.seconds.add(seconds)

    def reading(self, waiting: int) -> CommitReading:
        """The counts so far, while *waiting* callers stand in line."""
        return CommitReading(waiting, self.works.reading(), self.seconds.reading())
