"""When a commit waits for company: while the processor is busy anyway.

A commit costs some 0.3 ms of processor time, however little is in it.  Mail that many
others came with, on one stream, loses nothing by a moment's wait where it would wait
for the processor instead; where that is idle, the moment would be lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from postroom_server.domain.clock import Clock

BUSY = 0.9
"""The part of one processor that this process uses when it is busy."""
SPAN = 0.05
"""Seconds over which that is judged, at least."""


class Busyness:
    """Whether this process used a processor up, when last judged; for one thread.

    *spent* tells the seconds of processor time that it has used so far.
    """

    def __init__(
        self, clock: Clock, spent: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._spent = spent
        self._since = clock.monotonic()
        self._before = spent()
        self._busy = False

    def is_busy(self) -> bool:
        """To be asked again and again: it judges the time since it did so last."""
        now = self._clock.monotonic()
        elapsed = now - self._since
        if elapsed >= SPAN:
            spent = self._spent()
            self._busy = spent - self._before >= BUSY * elapsed
            self._since, self._before = now, spent
        return self._busy
