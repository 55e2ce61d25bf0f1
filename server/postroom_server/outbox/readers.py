"""Reading beside the writer: a few connections, lent one caller at a time.

Readers see what was last committed, never wait for the writer, and never change
anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import (
    DRIVER_ERRORS,
    Trouble,
    store_errors,
    trouble_of,
)
from postroom_server.outbox.statements import Connection

PATIENCE = 30.0
"""How long a caller waits for a connection, in seconds."""

LAST_PATIENCE = 5.0
"""How long closing waits for connections that are lent, in seconds."""


class Readers:
    """Up to *most* reading connections, opened when first needed and kept."""

    def __init__(self, connect: Callable[[], Connection], most: int) -> None:
        self._connect = connect
        self._most = most
        self._mutex = threading.Lock()
        self._returned = threading.Condition(self._mutex)
        self._idle: list[Connection] = []
        self._lent = 0
        self._failures = 0
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection for the time of the block; the database's errors become ours."""
        with store_errors():
            connection = self._take()
            sound = True
            try:
                yield connection
            except DRIVER_ERRORS as error:
                # After such an error it may hold on to a file that is gone.
                sound = trouble_of(error) is not Trouble.AWAY
                if not sound:
                    self._refuse_who_wait()
                raise
            finally:
                self._give_back(connection, sound=sound)

    def close(self) -> None:
        """Lend no more; what is lent is waited for a little, and closed on return."""
        with self._mutex:
            self._closed = True
            self._returned.notify_all()
            self._returned.wait_for(lambda: not self._lent, LAST_PATIENCE)
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        with self._mutex:
            failures = self._failures
            free = self._returned.wait_for(lambda: self._has_room(failures), PATIENCE)
            if self._closed:
                raise NotReady("the store is closed")
            if self._failures > failures:
                raise NotReady("the store is away")
            if not free:
                raise NotReady("the store is too slow")
            self._lent += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect()
        except BaseException:
            with self._mutex:
                self._lent -= 1
            self._refuse_who_wait()
            raise

    def _has_room(self, failures: int) -> bool:
        return self._closed or self._failures > failures or self._lent < self._most

    def _refuse_who_wait(self) -> None:
        """What failed for one after its wait would fail for them after theirs."""
        with self._mutex:
            self._failures += 1
            self._returned.notify_all()

    def _give_back(self, connection: Connection, *, sound: bool) -> None:
        with self._mutex:
            self._lent -= 1
            self._returned.notify()
            if sound and not self._closed:
                self._idle.append(connection)
                return
        connection.close()
