"""Time: instants for people and the store, monotonic seconds for waiting.

An *instant* (`..._at`) is an integer count of microseconds since 1970 UTC.  A
duration has no suffix and is a float of seconds.  Every time-out and every back-off
inside a process is measured on the monotonic clock, so that a jump of the wall clock
neither sends twice nor floods (threat R5).
"""

from __future__ import annotations

import time
from typing import NewType, Protocol

Instant = NewType("Instant", int)
MICROSECONDS = 1_000_000


def after(instant: Instant, seconds: float) -> Instant:
    """The instant *seconds* later (earlier, when negative)."""
    return Instant(instant + round(seconds * MICROSECONDS))


def seconds_between(earlier: Instant, later: Instant) -> float:
    """How long it is from *earlier* to *later*, in seconds."""
    return (later - earlier) / MICROSECONDS


class Clock(Protocol):
    """Where every part of the server gets the time from."""

    def now(self) -> Instant:
        """The wall clock."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps; only differences mean anything."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1000)

    # The function itself: it is asked dozens of times for each mail.
    monotonic = staticmethod(time.monotonic)
