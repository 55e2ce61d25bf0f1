"""The common buckets of a fleet without a database, on a clock that is told to go."""

from __future__ import annotations

import math

from postroom_server.domain.pacing import Bucket, Rate
from postroom_server.outbox.errors import DatabaseTrouble, Trouble
from postroom_server.outbox.leased_tokens import Answer, Ask

from tests.support.clocks import FakeClock


class FakeBuckets:
    """Shared by *processes*; `away` makes them unreachable."""

    def __init__(self, clock: FakeClock, processes: int = 1) -> None:
        self._clock = clock
        self.processes = processes
        self.away = False
        self.asked: list[Ask] = []
        self._buckets: dict[str, Bucket] = {}

    def serve(self, asks):
        if self.away:
            raise DatabaseTrouble(Trouble.AWAY, "away")
        self.asked += asks
        return {ask.scope: self._served(ask) for ask in asks}

    def close(self) -> None:
        """Nothing is to be let go of."""

    def _served(self, ask: Ask) -> Answer:
        burst, now = ask.rate.burst, self._clock.monotonic()
        block = int(max(1, burst // (2 * self.processes)))
        most = max(burst - self.processes * block, burst / 2, 1)
        size = Rate(ask.rate.per_second, most)
        bucket = self._buckets.get(ask.scope) or Bucket.full(size, now)
        bucket = bucket.given_back(size, now, ask.back)
        want = max(0, min(ask.want, math.floor(block - ask.held)))
        self._buckets[ask.scope], grant = bucket.take(size, now, want)
        level = self._buckets[ask.scope].level
        return Answer(grant.taken, level, block, self.processes)
