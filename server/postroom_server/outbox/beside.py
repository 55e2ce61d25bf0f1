"""Looking into a store's file beside the process that serves it.

Where no process has the store, the lock is held meanwhile, so that none begins.  Where
one has it, this connection can't write and never moves the log into the database: the
process that has the lock alone does that (see `lock`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from postroom_server.outbox.connecting import connect_reader
from postroom_server.outbox.errors import StoreForeign, StoreLocked, StoreOutdated
from postroom_server.outbox.lock import StoreLock
from postroom_server.outbox.migrating import CURRENT, revision_of


@contextmanager
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the store at *path*, in one transaction that reads.

    Raises `StoreUnusableError` where there is no store, or one of another revision.
    """
    if not path.is_file():
        raise StoreForeign(f"there is no store at {path}")
    with _connected(path) as connection:
        try:
            found = revision_of(connection, path)
            if found != CURRENT.newest:
                raise StoreOutdated(
                    f"the store {path} has schema {found}, not {CURRENT.newest}: "
                    "run `postroomd store migrate`"
                )
            connection.execute("BEGIN")
            yield connection
        except sqlite3.DatabaseError as error:
            raise StoreForeign(f"{path} can't be read as a store: {error}") from error


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    lock: StoreLock | None = None
    with contextlib.suppress(StoreLocked):
        lock = StoreLock.take(path)
    try:
        connection = _only_reading(path) if lock is None else connect_reader(path)
        with closing(connection):
            yield connection
    finally:
        if lock is not None:
            lock.release()


def _only_reading(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=2.0, isolation_level=None)
