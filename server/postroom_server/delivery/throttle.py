"""How gently a relay is treated that asked for it: halved at once, restored slowly.

A reply that says "too much" (421, 454, or an enhanced code 4.7.x; RFC 5321 §4.2.2,
RFC 4954 §6, RFC 3463 §3.8) halves how many attempts run side by side; where one alone
is too many, starts are spaced out.  Replies that come together count once.  Time alone
restores it, a little every few seconds, so that nobody needs to reset anything.  What
the text of a reply says about times is not believed.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable

from postroom_server.domain.reply import Reply

TOGETHER = 5.0
"""Seconds within which complaints count as one: they were under way together."""
EASING = 10.0
"""Seconds without a complaint after which a little more is tried."""
GENTLEST = 1 / 64
"""Attempts a second at least, whatever the relay says: one a minute, about."""
STEPS = 10
"""In how many steps the way goes from one attempt at a time to all."""

_TOO_MUCH = frozenset({421, 454})
_POLICY = re.compile(r"4\.7\.\d{1,3}")


def complains(reply: Reply | None) -> bool:
    """Whether *reply* asks us to slow down; by its codes, never by its text."""
    if reply is None or reply.positive:
        return False
    return reply.code in _TOO_MUCH or bool(_POLICY.fullmatch(reply.enhanced_code))


class Throttle:
    """The pace of one relay; thread-safe.

    *slots* tells how many attempts there may be side by side: that may grow.
    """

    def __init__(
        self, slots: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._slots = slots
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pace = math.inf
        self._changed_at = 0.0
        self._next_at = 0.0

    @property
    def _most(self) -> float:
        return float(self._slots())

    @property
    def share(self) -> float:
        """How much of the full pace is used, above 0 and up to 1."""
        with self._lock:
            return self._eased() / self._most

    def complained(self) -> bool:
        """The relay asked for less; whether the pace was lowered for it."""
        with self._lock:
            now, pace = self._monotonic(), self._eased()
            slowed_just_now = pace < self._most and now - self._changed_at < TOGETHER
            if slowed_just_now:
                return False
            self._pace = max(GENTLEST, pace / 2)
            self._changed_at = now
            self._space_out(now)
            return True

    def room(self, under_way: int) -> int:
        """How many more may start now, beside *under_way*."""
        if self._pace == math.inf:
            return max(0, self._slots() - under_way)
        with self._lock:
            pace = self._eased()
            if pace >= 1:
                return max(0, int(pace) - under_way)
            free = under_way == 0 and self._monotonic() >= self._next_at
            return int(free)

    def started(self) -> None:
        """One has started, or several."""
        if self._pace == math.inf:
            return
        with self._lock:
            self._space_out(self._monotonic())

    def wait(self) -> float:
        """Seconds until one may start, where none is under way."""
        if self._pace == math.inf:
            # Nobody has complained, as nearly always.
            return 0.0
        with self._lock:
            if self._eased() >= 1:
                return 0.0
            return max(0.0, self._next_at - self._monotonic())

    def _space_out(self, now: float) -> None:
        pace = self._eased()
        self._next_at = now + 1 / pace if pace < 1 else now

    def _eased(self) -> float:
        """The pace now: what time has restored is noted."""
        most = self._most
        if self._pace >= most:
            # Restored; there may be more slots one day.
            self._pace = math.inf
            return most
        steps = int((self._monotonic() - self._changed_at) / EASING)
        for _ in range(steps):
            self._changed_at += EASING
            self._pace = self._next_pace()
            if self._pace >= most:
                break
        return min(most, self._pace)

    def _next_pace(self) -> float:
        if self._pace < 1:
            return min(1.0, self._pace * 2)
        return min(self._most, self._pace + max(1.0, self._most / STEPS))
