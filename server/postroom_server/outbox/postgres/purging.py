"""Purging beside the commits, over a connection of its own: nobody waits for it.

One process of a fleet purges at a time, whoever has the lock.  Each kind is a small
transaction of its own, which is not flushed: what is lost of it is done again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from postroom_server.domain.clock import Instant
from postroom_server.outbox.errors import DRIVER_ERRORS, store_errors
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.purge import EventCursor, Purge
from postroom_server.outbox.statements import Connection
from postroom_server.outbox.store import Retention


class Purging:
    """Removes what is past its time; *connect* makes its connection when needed."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        self._connect = connect
        self._mutex = threading.Lock()
        self._link: Link | None = None
        self._cursor = EventCursor()

    def turn(self, now: Instant, retention: Retention) -> int:
        """Remove some of it; how much.  Raises `NotReady` and `StoreFull`."""
        with self._mutex, store_errors():
            try:
                purge = Purge(now, retention, self._cursor)
                return sum(map(self._step, purge.steps))
            except DRIVER_ERRORS:
                self._let_go()
                raise

    def close(self) -> None:
        with self._mutex:
            self._let_go()

    def _step(self, step: Callable[[Connection], int]) -> int:
        link = self._link = self._link or self._connect()
        with link.transaction():
            link.run("unflushed")
            ((alone,),) = link.run("purge_alone").fetchall()
            return step(link) if alone else 0

    def _let_go(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
