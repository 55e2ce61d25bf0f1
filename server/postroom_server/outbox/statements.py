"""The SQL of the outbox, by name, from `queries/*.sql`.

Each query is headed by `-- name --`, then comments say what it is for.  A query that
writes many rows has `EACH(?, ?)` where the rows stand: it is run once for up to
`MOST_ROWS` rows, because each run gives up the interpreter's lock twice, and beside
busy threads getting it back costs more than the row.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain

MOST_ROWS = 32
_HEAD = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_EACH = re.compile(r"EACH(\([^)]*\))")

Row = Sequence[object]


@cache
def statement(name: str) -> str:
    """The query *name*; KeyError if there is none."""
    return _queries()[name]


def write_rows(connection: sqlite3.Connection, name: str, rows: Sequence[Row]) -> int:
    """Run the query *name* over *rows*; how many rows it changed."""
    changed = 0
    for start in range(0, len(rows), MOST_ROWS):
        part = rows[start : start + MOST_ROWS]
        values = tuple(chain.from_iterable(part))
        changed += connection.execute(_for_rows(name, len(part)), values).rowcount
    return changed


def script(text: str) -> Iterable[str]:
    """The statements of *text*, which has no semicolon but at their ends."""
    bare = re.sub(r"--[^\n]*", "", text)
    return filter(None, (part.strip() for part in bare.split(";")))


@cache
def _for_rows(name: str, count: int) -> str:
    return _EACH.sub(lambda each: ", ".join([each[1]] * count), statement(name))


@cache
def _queries() -> dict[str, str]:
    found: dict[str, str] = {}
    folder = files("postroom_server.outbox") / "queries"
    for source in folder.iterdir():
        if source.name.endswith(".sql"):
            found.update(_parsed(source.read_text(encoding="utf-8")))
    return found


def _parsed(text: str) -> Iterable[tuple[str, str]]:
    _, *parts = _HEAD.split(text)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        (query,) = script(body)
        yield name, query
