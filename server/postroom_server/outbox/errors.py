"""Why a store can't be opened, and what the errors of databases mean.

The three kinds of trouble are answered differently: a full disk is the operator's to
repair while we serve on, a store that is away comes back, and bad data is one
caller's alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from postroom_server.domain.errors import NotReady, StoreFull


class StoreUnusableError(Exception):
    """The server can't start on this store."""


class StoreLocked(StoreUnusableError):
    """Another process has it open."""


class StoreTooNew(StoreUnusableError):
    """It was written by a newer version of Postroom."""


class StoreOutdated(StoreUnusableError):
    """It must be brought up to date first."""


class StoreInUse(StoreUnusableError):
    """Others use it that what was asked for would harm."""


class BackupFailed(StoreUnusableError):
    """No copy could be made."""


class StoreForeign(StoreUnusableError):
    """The file is no outbox, or it is damaged."""


class StoreAway(StoreUnusableError):
    """The database can't be reached, or does not let us in."""


class RowRefused(Exception):
    """The store refused what one caller wanted to write; a defect of ours."""


class Trouble(Enum):
    """What kind of failure an exception tells of."""

    FULL = "full"
    BUSY = "busy"
    AWAY = "away"
    DATA = "data"


class DatabaseTrouble(Exception):
    """What a database other than SQLite answered, already judged."""

    def __init__(self, kind: Trouble, message: str) -> None:
        super().__init__(message)
        self.kind = kind


DRIVER_ERRORS = (sqlite3.Error, DatabaseTrouble)
"""What statements raise."""

_DATA_CODES = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
    }
)
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def trouble_of(error: Exception) -> Trouble:
    """The kind of *error*, which a statement raised."""
    if isinstance(error, DatabaseTrouble):
        return error.kind
    if not isinstance(error, sqlite3.Error):
        return Trouble.DATA
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Raised by the module itself: a value it can't bind, or a closed connection.
        closed = "closed" in str(error)
        return Trouble.AWAY if closed else Trouble.DATA
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return Trouble.FULL
    if primary in _BUSY_CODES:
        return Trouble.BUSY
    return Trouble.DATA if primary in _DATA_CODES else Trouble.AWAY


def translated(error: Exception) -> Exception:
    """What a caller is told of *error*; the database's words stay in its cause."""
    if not isinstance(error, DRIVER_ERRORS):
        return error
    kind = trouble_of(error)
    if kind is Trouble.DATA:
        told: Exception = RowRefused("the store refused a row")
    elif kind is Trouble.FULL:
        told = StoreFull("the disk of the store is full")
    else:
        told = NotReady("the store is away")
    told.__cause__ = error
    return told


@contextmanager
def store_errors() -> Iterator[None]:
    """Let no exception of a database out."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translated(error) from error
