"""Reading beside the writer: a few connections, lent one caller at a time.

Readers see what was last committed, never wait for the writer, and never change
anything.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import Trouble, store_errors, trouble_of

PATIENCE = 30.0
"""How long a caller waits for a connection, in seconds."""


class Readers:
    """Up to *most* reading connections, opened when first needed and kept."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], most: int) -> None:
        self._connect = connect
        self._free = threading.Semaphore(most)
        self._mutex = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection for the time of the block; SQLite's errors become ours."""
        if not self._free.acquire(timeout=PATIENCE):
            raise NotReady("the store is too slow")
        try:
            with store_errors():
                yield from self._lent()
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what is idle; what is lent closes when it comes back."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _lent(self) -> Iterator[sqlite3.Connection]:
        connection = self._taken()
        sound = True
        try:
            yield connection
        except sqlite3.Error as error:
            # After such an error it may hold on to a file that is gone.
            sound = trouble_of(error) is not Trouble.AWAY
            raise
        finally:
            self._back(connection, sound=sound)

    def _taken(self) -> sqlite3.Connection:
        with self._mutex:
            if self._closed:
                raise NotReady("the store is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _back(self, connection: sqlite3.Connection, *, sound: bool) -> None:
        with self._mutex:
            if sound and not self._closed:
                self._idle.append(connection)
                return
        connection.close()
