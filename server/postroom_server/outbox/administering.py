"""What operators do with a store, whichever kind it is: migrate, check, copy.

A store in a file and one in a database are told apart by their addresses alone.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from postroom_server.domain.clock import Clock
from postroom_server.outbox.connecting import connect_writer
from postroom_server.outbox.errors import StoreForeign
from postroom_server.outbox.lock import StoreLock
from postroom_server.outbox.migrating import CURRENT, prepare, revision_of


@dataclass(frozen=True, slots=True)
class Migrated:
    """The revision before (None: there was no store) and now."""

    before: str | None
    now: str


def migrate_file(path: Path, clock: Clock) -> Migrated:
    """Bring the store in the file *path*, which nobody serves, up to date.

    It is copied first.  Raises `StoreUnusableError`.
    """
    if not path.is_file():
        raise StoreForeign(f"there is no store at {path}")
    lock = StoreLock.take(path)
    try:
        with closing(connect_writer(path)) as connection:
            before = revision_of(connection, path)
            prepare(connection, path, clock.now())
    except sqlite3.DatabaseError as error:
        raise StoreForeign(f"{path} can't be opened as a store: {error}") from error
    finally:
        lock.release()
    return Migrated(before, CURRENT.newest)
