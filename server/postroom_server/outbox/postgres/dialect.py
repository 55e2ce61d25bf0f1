"""The outbox's SQL in PostgreSQL's words.

Queries are written once, for SQLite.  What both understand is run as it is, with its
places for values written psycopg's way; what PostgreSQL must be told otherwise has a
query of the same name in `queries/postgres/`.  There `ROWS(text, int8)` stands for the
rows that are written, as arrays: one statement however many they are.

The schema's revisions are translated likewise, statement by statement, and what only a
fleet has stands in `NNNN.postgres.sql` beside them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.submission import Completion
from postroom_server.outbox.statements import Row, parsed, queries

_NUMBER = {
    "SENDING": str(int(DeliveryStatus.SENDING)),
    "RELAYED": str(int(Completion.RELAYED)),
}
_NUMBERS = re.compile(r"\b(SENDING|RELAYED)\b")
_TYPES = re.compile(r"ROWS\(([^)]*)\)")
_NAMED = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_EACH_KEY = re.compile(r"IN \(VALUES EACH\(([%s, ]+)\)\)")
_EACH = re.compile(r"EACH(\([^)]*\))")
_JSON = re.compile(r"SELECT value FROM json_each\(([^)]*)\)")
_ELEMENTS = r"SELECT value FROM json_array_elements_text(CAST(\1 AS json))"
_WORDS = (
    (re.compile(r"\) STRICT(, WITHOUT ROWID)?"), ")"),
    (
        re.compile(r"INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"),
        "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    ),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    # Ids and keys are compared octet by octet, as SQLite does.
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),
)


@cache
def translated(sql: str) -> str:
    """A query as psycopg runs it; *sql* is its text for SQLite."""
    own = _own().get(_names().get(sql, ""))
    return own or _plain(sql)


def translated_schema(sql: str) -> str:
    """A statement of a revision."""
    for pattern, words in _WORDS:
        sql = pattern.sub(words, sql)
    return sql


def for_rows(name: str, rows: Sequence[Row]) -> tuple[str, Sequence[object]]:
    """The query *name* over *rows*, and its values."""
    own = _own().get(name)
    sql = own or _EACH_KEY.sub(_keys, _placed(queries()[name]))
    if found := _TYPES.search(sql):
        types = [one.strip() for one in found[1].split(",")]
        arrays = ", ".join(f"%b::{one}[]" for one in types)
        return sql.replace(found[0], f"unnest({arrays})"), columns(rows)
    return _EACH.sub(lambda each: ", ".join([each[1]] * len(rows)), sql), [
        value for row in rows for value in row
    ]


def columns(rows: Sequence[Row]) -> list[object]:
    """*rows* as one list for each column."""
    return [list(column) for column in zip(*rows, strict=True)]


def _keys(each: re.Match[str]) -> str:
    types = ", ".join(["text"] * each[1].count("%s"))
    return f"IN (SELECT k.* FROM ROWS({types}) AS k)"  # noqa: S608  no values in it


def _plain(sql: str) -> str:
    # A plus hides a column from SQLite's choice of an index, and is an error here.
    sql = re.sub(r"(?<![\w)]) ?\+(?=[a-z]\.)", " ", sql)
    sql = re.sub(r" INDEXED BY \w+", "", sql)
    sql = re.sub(r"CROSS JOIN (\w+ AS \w+ ON)", r"JOIN \1", sql)
    sql = _JSON.sub(_ELEMENTS, sql)
    return _NAMED.sub(r"%(\1)s", _placed(sql))


def _placed(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


@cache
def _names() -> dict[str, str]:
    return {sql: name for name, sql in queries().items()}


@cache
def _own() -> dict[str, str]:
    found: dict[str, str] = {}
    folder = files("postroom_server.outbox") / "queries" / "postgres"
    for source in folder.iterdir():
        text = source.read_text(encoding="utf-8")
        found.update(parsed(_NUMBERS.sub(lambda word: _NUMBER[word[0]], text)))
    return found


@cache
def own(name: str) -> str:
    """The query *name* that only a fleet has."""
    return _own()[name]
