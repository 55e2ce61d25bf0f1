"""The SQL of the outbox, by name, from `queries/*.sql`.

Each query is headed by `-- name --`, then comments say what it is for.  A query that
writes many rows has `EACH(?, ?)` where the rows stand: it is run once for up to
`MOST_ROWS` rows, because each run gives up the interpreter's lock twice, and beside
busy threads getting it back costs more than the row.  Where one row can be written in
a cheaper way, that has the query's name with `_alone` behind it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any, Protocol, cast

from postroom_server.outbox.connecting import Writing

MOST_ROWS = 32
"""Rows that one run of a query writes."""
_HEAD = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_EACH = re.compile(r"EACH(\([^)]*\))")

Row = Sequence[object]
Parts = Sequence[tuple[str, Sequence[Row]]]
"""Queries in their order, each with the rows that it writes."""
Places = Sequence[tuple[int, str, int]]
"""Lanes of a relay: number and tenant; and how many of each."""


class Cursor(Protocol):
    """What a statement found or changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...  # noqa: ANN401  a row, or None
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """A connection to a store: SQLite's own, or one that understands its SQL."""

    def execute(self, sql: str, values: Any = (), /) -> Cursor: ...  # noqa: ANN401  bound
    def close(self) -> None: ...


class RowWriter(Connection, Protocol):
    """A connection that writes many rows in a way of its own."""

    def write_rows(self, name: str, rows: Sequence[Row], /) -> int: ...
    def write_together(self, parts: Parts, /) -> list[int]: ...
    def due_deliveries(
        self, relay: str, now: int, places: Places, /
    ) -> list[list[tuple[Any, ...]]]: ...


@cache
def statement(name: str) -> str:
    """The query *name*; KeyError if there is none."""
    return queries()[name]


def write_rows(connection: Connection, name: str, rows: Sequence[Row]) -> int:
    """Run the query *name* over *rows*; how many rows it changed."""
    if not isinstance(connection, sqlite3.Connection):
        return cast("RowWriter", connection).write_rows(name, rows)
    # A cursor for each statement costs a tenth of the statement.
    run = connection.run if isinstance(connection, Writing) else connection.execute
    if len(rows) == 1:
        return run(_for_rows(name, 1), rows[0]).rowcount
    changed = 0
    for start in range(0, len(rows), MOST_ROWS):
        part = rows[start : start + MOST_ROWS]
        values = tuple(chain.from_iterable(part))
        changed += run(_for_rows(name, len(part)), values).rowcount
    return changed


def write_together(connection: Connection, parts: Parts) -> list[int]:
    """Run queries over their rows, all on one way there and back; as `write_rows`."""
    if isinstance(connection, sqlite3.Connection):
        return [write_rows(connection, name, rows) for name, rows in parts]
    return cast("RowWriter", connection).write_together(parts)


def due_deliveries(
    connection: Connection, when: tuple[str, int], places: Places
) -> list[list[tuple[Any, ...]]]:
    """For each of *places* the first of what is due of it; *when*: relay and time."""
    if not isinstance(connection, sqlite3.Connection):
        return cast("RowWriter", connection).due_deliveries(*when, places)
    relay, now = when
    query = statement("due_deliveries")
    return [
        connection.execute(query, (relay, lane, tenant, now, most)).fetchall()
        for lane, tenant, most in places
    ]


def script(text: str) -> Iterable[str]:
    """The statements of *text*, which has no semicolon but at their ends."""
    bare = re.sub(r"--[^\n]*", "", text)
    return filter(None, (part.strip() for part in bare.split(";")))


@cache
def _for_rows(name: str, count: int) -> str:
    alone = queries().get(f"{name}_alone") if count == 1 else None
    if alone is not None:
        return alone
    return _EACH.sub(lambda each: ", ".join([each[1]] * count), statement(name))


@cache
def queries() -> dict[str, str]:
    """All queries by their names."""
    found: dict[str, str] = {}
    folder = files("postroom_server.outbox") / "queries"
    for source in folder.iterdir():
        if source.name.endswith(".sql"):
            found.update(parsed(source.read_text(encoding="utf-8")))
    return found


def parsed(text: str) -> Iterable[tuple[str, str]]:
    """The queries in *text*, each headed by its name."""
    _, *parts = _HEAD.split(text)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        (query,) = script(body)
        yield name, query
