"""How slow a stream may be before its thread is needed more elsewhere.

A caller that sends or reads one octet now and then is never silent, and would hold a
thread for as long as it likes.  So a stream has a time that grows with what it moved:
by the clock on the wall, since a flood of tiny frames costs us and not its sender.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import DeadlinePassed
from postroom_server.rpc.watchdog import Lane

SLOWEST = 64 * 1024
"""Octets per second, on average."""
SLOWEST_PRESSED = 256 * 1024
"""The same while others wait for a thread."""


@dataclass(slots=True)
class Pace:
    """The speed of one stream that began at monotonic *began*; *moved* in octets."""

    lane: Lane
    clock: Clock
    began: float
    moved: int = 0

    def step(self, size: int) -> None:
        """*size* more octets went through; raises `DeadlinePassed` if that is slow."""
        self.moved += size
        slowest = SLOWEST_PRESSED if self.lane.pressed() else SLOWEST
        allowed = self.lane.allowed() + self.moved / slowest
        if self.clock.monotonic() - self.began > allowed:
            raise DeadlinePassed(f"slower than {slowest // 1024} KiB/s")
