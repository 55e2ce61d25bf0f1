"""How fast is fast enough to stop: token buckets, pure.  No clock, no lock.

A bucket holds up to *burst* tokens and gains *per_second* of them; whoever starts
something takes one.  So no more than ``per_second x t + burst`` start in any span of
*t* seconds.

Times are monotonic seconds; a time before the last one counts as the last one, so that
a clock that goes back gives nothing away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from postroom_server.domain.clock import MICROSECONDS, Instant

DAY = 86_400.0
"""Seconds."""
_ROUNDING = 1e-9
"""Of a token: what sums of floats may be short of a whole one."""


def until_tomorrow(now: Instant) -> float:
    """Seconds until the next day (UTC) begins."""
    return DAY - now / MICROSECONDS % DAY


@dataclass(frozen=True, slots=True)
class Rate:
    """*per_second* on the average, *burst* at once."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Grant:
    """How many tokens were *taken*, and in how many seconds there is one again.

    *wait* is 0 when there still is one, and infinite when there never will be.
    """

    taken: int
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a bucket held at *at*."""

    level: float
    at: float

    @classmethod
    def full(cls, rate: Rate, now: float) -> Bucket:
        """A bucket that nobody has taken from."""
        return cls(rate.burst, now)

    def filled(self, rate: Rate, now: float) -> Bucket:
        """The same at *now*."""
        now = max(now, self.at)
        gained = (now - self.at) * rate.per_second
        return Bucket(min(rate.burst, self.level + gained), now)

    def take(self, rate: Rate, now: float, want: int) -> tuple[Bucket, Grant]:
        """Take up to *want* tokens, whole ones."""
        bucket = self.filled(rate, now)
        there = max(0, math.floor(bucket.level + _ROUNDING))
        taken = min(want, there)
        left = replace(bucket, level=bucket.level - taken)
        return left, Grant(taken, left.wait(rate))

    def wait(self, rate: Rate, ahead: int = 0) -> float:
        """Seconds until one can be taken, after *ahead* others have taken theirs."""
        missing = 1 + ahead - self.level
        if missing <= _ROUNDING:
            return 0.0
        return missing / rate.per_second if rate.per_second else math.inf

    def given_back(self, rate: Rate, now: float, count: int) -> Bucket:
        """So many of what was taken were not needed."""
        bucket = self.filled(rate, now)
        return replace(bucket, level=min(rate.burst, bucket.level + count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast a relay or a tenant may be served; 0: as fast as may be.

    *burst* 0 stands for what one second brings, and at least 1.
    *concurrent_sessions* are those at work at once, *connections_per_minute* those that
    are opened.
    """

    max_per_second: float = 0.0
    burst: int = 0
    max_recipients_per_day: int = 0
    connections_per_minute: int = 0
    concurrent_sessions: int = 0

    @property
    def messages(self) -> Rate | None:
        """The rate of messages, if there is a limit."""
        if not self.max_per_second:
            return None
        return Rate(self.max_per_second, self.burst or max(1.0, self.max_per_second))

    @property
    def connections(self) -> Rate | None:
        """The rate of connections, if there is a limit; one after the other."""
        if not self.connections_per_minute:
            return None
        return Rate(self.connections_per_minute / 60.0, 1.0)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """When a relay is left alone: after so many *failures* in a row.

    The first try comes after *first_pause* seconds, at the earliest half of that; the
    pauses double up to *longest_pause*.
    """

    failures: int = 5
    first_pause: float = 5.0
    longest_pause: float = 300.0
