"""A clock that goes only when told to."""

from __future__ import annotations

from postroom_server.domain.clock import Instant, after


class FakeClock:
    """Stands still; `advance` moves both clocks, `jump` the wall clock alone."""

    def __init__(self, now: int = 1_700_000_000_000_000) -> None:
        self._now = Instant(now)
        self._monotonic = 1000.0

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self.jump(seconds)

    def jump(self, seconds: float) -> None:
        self._now = after(self._now, seconds)
