"""Connections to the store's file: one that writes, some that read.

WAL with synchronous=FULL: a commit returns when it is on the disk.  Nothing is mapped
into memory, where a failing disk would be a signal instead of an error.  Readers never
write and never checkpoint; see `lock` for why.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

C = TypeVar("C", bound=sqlite3.Connection)

# Each batch size has a statement of its own; the cache must hold them all.
_STATEMENTS = 512
# Set before the first page is written, and a write of its own afterwards.
_NEW = ("PRAGMA auto_vacuum = INCREMENTAL",)
_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA mmap_size = 0",
    # 16 MB of log between checkpoints; the file is used again from its start, which
    # costs less to flush than one that grows.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
)
_READER = (
    "PRAGMA query_only = ON",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
)


class Writing(sqlite3.Connection):
    """The writing connection, with a cursor for all that asks for no rows.

    *run* executes a statement; what it gives is good until the next.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  SQLite's own
        super().__init__(*args, **options)
        self.run = self.cursor().execute


def connect_writer(path: Path) -> Writing:
    """The writing connection; of these there is one."""
    new = not path.stat().st_size
    return _connected(path, (*_NEW, *_WRITER) if new else _WRITER, Writing)


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't change anything."""
    return _connected(path, _READER, sqlite3.Connection)


def _connected(path: Path, pragmas: tuple[str, ...], kind: type[C]) -> C:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=2.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
        factory=kind,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
