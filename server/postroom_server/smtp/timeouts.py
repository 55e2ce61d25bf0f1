"""How long we wait, and for what (RFC 5321 §4.5.3.2, threat R9).

A wait ends with the first of two: our own time-out for the step, or the caller's
deadline.  Which one it was decides the reason of the failure.  A time-out bounds the
whole step, never one read of it, so a relay that drips octets gains nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import fields

from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.values import value


@value(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for each step; *min_rate* is octets of content per second.

    *command* is for the reply to any command, *block* for writing one block of
    content, *final* for the reply to the end of data, *clean_up* for a RSET or QUIT
    that nobody waits for.
    """

    dns: float = 10.0
    connect: float = 30.0
    tls: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    clean_up: float = 5.0
    min_rate: float = 8192.0

    def scaled(self, factor: float) -> Timeouts:
        """The same, *factor* times as long."""
        durations = {
            f.name: getattr(self, f.name) * factor
            for f in fields(self)
            if f.name != "min_rate"
        }
        return Timeouts(min_rate=self.min_rate / factor, **durations)

    def body(self, size: int) -> float:
        """How long writing *size* octets of content may take in all."""
        return self.block + size / self.min_rate


@value(frozen=True, slots=True)
class Deadline:
    """The moment, in monotonic seconds, at which the caller's time is up."""

    at: float = math.inf

    def __call__(self) -> Deadline:
        """Itself: a deadline that stays is a `DeadlineSource` too."""
        return self

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline in *seconds* from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; never negative; infinite for no deadline."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.at <= time.monotonic()

    def bounded(self, seconds: float) -> Deadline:
        """The sooner of this and *seconds* from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))


_LOOK_AGAIN = 1.0
NO_DEADLINE = Deadline()
NOT_AT_ALL = Deadline(-math.inf)
"""Do what can be done without waiting."""
DeadlineSource = Callable[[], Deadline]
"""Gives the deadline anew at each look: it may have been moved later meanwhile."""


class Wait:
    """One step's allowance of time."""

    __slots__ = ("_deadline", "_own")

    def __init__(self, seconds: float, deadline: DeadlineSource = NO_DEADLINE) -> None:
        self._own = time.monotonic() + seconds
        self._deadline = deadline

    def remaining(self) -> float:
        """Seconds left of the sooner of time-out and deadline; never negative."""
        return max(0.0, min(self._own, self._deadline().at) - time.monotonic())

    def pause(self) -> float:
        """Seconds to sleep before looking again: deadlines may move meanwhile."""
        left = min(self._own, self._deadline().at) - time.monotonic()
        if left >= _LOOK_AGAIN:
            return _LOOK_AGAIN
        return left if left > 0 else 0.0

    @property
    def reason(self) -> FailureReason:
        """What ran out, or will first."""
        if self._deadline().at < self._own:
            return FailureReason.DEADLINE
        return FailureReason.TIMEOUT

    def share(self, count: int) -> Wait:
        """A *count*-th of what is left, so that *count* tries fit."""
        own = max(0.0, self._own - time.monotonic())
        return Wait(own / count, self._deadline)
