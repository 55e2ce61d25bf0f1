"""Holding up an outbox's committer, so that a test decides what is in one batch."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from postroom_server.outbox.sqlite import SqliteOutbox
from postroom_server.outbox.work import Work

PATIENCE = 20.0


class Gate(Work[None]):
    """Work that stands still inside its transaction until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.released = threading.Event()

    def perform(self, _connection: sqlite3.Connection, /) -> None:
        self.reached.set()
        assert self.released.wait(PATIENCE)


class Batch:
    """Calls that will be committed together, once the gate before them is open."""

    def __init__(self, outbox: SqliteOutbox, pool: ThreadPoolExecutor) -> None:
        self._line = outbox._committer._line
        self._pool = pool

    def add(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Let a thread make *call*, and return when it waits in the line."""
        count = len(self._line)
        future = self._pool.submit(call, *args, **kwargs)
        while len(self._line) == count and not future.done():
            pass
        return future


@contextmanager
def one_batch(outbox: SqliteOutbox) -> Iterator[Batch]:
    """What is added in the block is committed together at its end."""
    gate = Gate()
    with ThreadPoolExecutor(32) as pool:
        held = pool.submit(outbox._committer.run, gate)
        assert gate.reached.wait(PATIENCE)
        try:
            yield Batch(outbox, pool)
        finally:
            gate.released.set()
        held.result(PATIENCE)
