"""Whether and when a call is made again.

Only UNAVAILABLE is, and what means the same: the service, or the way to it, was not
there.  The same request goes again, with its request id, so that it counts once.
Delays grow with full jitter; a service that says when to come again is obeyed, and one
that says never too.  Nothing begins after the deadline.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_CALL = 1e9
"""Seconds, which stand for no limit: gRPC's clock overflows with ten times as many."""
FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
MOST_DOUBLINGS = 16
HINT_SPREAD = 0.25
"""By what share a delay that the service asked for is stretched at most, so that those
who were turned away together don't come back together."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a failed call says about calling again.

    *retry_after* is in seconds; None: nothing was said.  *never*: it was told not to.
    """

    unavailable: bool
    retry_after: float | None = None
    never: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where time and chance come from: a monotonic clock, and a number in [0, 1)."""

    clock: Callable[[], float]
    chance: Callable[[], float]


REAL = Surroundings(clock=time.monotonic, chance=random.random)


class Persistence:
    """The attempts of one call."""

    def __init__(
        self, timeout: float, max_attempts: int, surroundings: Surroundings
    ) -> None:
        """Allow *max_attempts* within *timeout* seconds from now."""
        self._surroundings = surroundings
        self._deadline = surroundings.clock() + timeout
        self._max_attempts = max_attempts
        self.attempts = 0

    def begin(self) -> float:
        """Begin an attempt; returns how many seconds it may take."""
        self.attempts += 1
        return min(max(self._remaining(), 0.0), LONGEST_CALL)

    def delay_after(self, hint: Hint) -> float | None:
        """How long to wait before the next attempt; None: there is to be none."""
        if not hint.unavailable or hint.never or self.attempts >= self._max_attempts:
            return None
        delay = self._delay(hint)
        return delay if delay < self._remaining() else None

    def _delay(self, hint: Hint) -> float:
        chance = self._surroundings.chance()
        if hint.retry_after is not None:
            return hint.retry_after * (1 + HINT_SPREAD * chance)
        ceiling = FIRST_DELAY * 2.0 ** min(self.attempts - 1, MOST_DOUBLINGS)
        return min(ceiling, LONGEST_DELAY) * chance

    def _remaining(self) -> float:
        return self._deadline - self._surroundings.clock()
