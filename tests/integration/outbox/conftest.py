"""An SQLite outbox in a folder of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.sqlite import SqliteOutbox, SqliteSettings


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def open_outbox(path) -> Iterator[Callable[..., SqliteOutbox]]:
    """Opens the store of this test; if it is open already, it is closed first."""
    opened: list[SqliteOutbox] = []

    def open_again(settings: SqliteSettings | None = None) -> SqliteOutbox:
        for outbox in opened:
            outbox.close()
        chosen = settings or SqliteSettings()
        opened.append(SqliteOutbox.open(path, clock=SystemClock(), settings=chosen))
        return opened[-1]

    yield open_again
    for outbox in opened:
        outbox.close()


@pytest.fixture
def outbox(open_outbox) -> SqliteOutbox:
    return open_outbox()


@pytest.fixture
def rows(path) -> Callable[..., list[tuple]]:
    """What a query finds in the store, seen from outside."""

    def found(query: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(query, values).fetchall()

    return found
