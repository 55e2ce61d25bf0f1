"""Room to work: how many attempts a relay may have under way, and who runs them.

A slot is reserved before a delivery is accepted or claimed, so that nothing is ever
claimed that cannot start at once.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from postroom_server.domain.clock import Instant


class Lane:
    """The slots of one relay, and what is known to wait for them.

    *fresh_at* and *retry_at* are when the first delivery of each kind is due, as far as
    is known; None when none is.  Guarded by the dispatcher's lock.
    """

    def __init__(self, relay: str, slots: int) -> None:
        self.relay = relay
        self.slots = slots
        self.free = slots
        self.fresh_at: Instant | None = None
        self.retry_at: Instant | None = None
        self.retries_first = False
        self._threads = ThreadPoolExecutor(slots, f"postroom-deliver-{relay}")

    def run(self, work: Callable[[], None]) -> None:
        """Start *work* on a thread of its own; a slot must have been reserved."""
        self._threads.submit(work)

    def due_at(self, *, retries: bool) -> Instant | None:
        return self.retry_at if retries else self.fresh_at

    def learn(self, due_at: Instant | None, *, retries: bool) -> None:
        """Set when the first delivery of a kind is due."""
        if retries:
            self.retry_at = due_at
        else:
            self.fresh_at = due_at

    def hear(self, due_at: Instant, *, retries: bool) -> None:
        """A delivery of a kind is due then, perhaps before the others."""
        known = self.due_at(retries=retries)
        self.learn(due_at if known is None else min(known, due_at), retries=retries)

    def close(self) -> None:
        """Wait for the threads, which must have come to an end of their work."""
        self._threads.shutdown(wait=True)
