"""An outbox in memory that a service can stand on: for tests of those who call it."""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.domain.clock import Clock
from postroom_server.outbox.commit_counts import CommitCounts, CommitReading
from postroom_server.outbox.fleet import Alone, Fleet
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.memory.store import MemoryOutbox, OnStored
from postroom_server.outbox.sharing import Sharing, Unshared
from postroom_server.outbox.store import BlobTerms
from postroom_server.outbox.tokens import LocalTokens, Tokens


class ServedMemoryOutbox(MemoryOutbox):
    """It is always ready, and shared with nobody."""

    is_ready = True

    def __init__(self, clock: Clock, on_stored: OnStored, terms: BlobTerms) -> None:
        super().__init__(MemoryState(), clock, on_stored, terms)
        self.fleet: Fleet = Alone()
        self.tokens: Tokens = LocalTokens(clock.monotonic)
        self.sharing: Sharing = Unshared()
        self._counts = CommitCounts()

    def commits(self) -> CommitReading:
        """Nothing is ever waited for."""
        return self._counts.reading(0)

    def watch(self, on_ready: Callable[[bool], None]) -> None:
        """It never goes away."""
