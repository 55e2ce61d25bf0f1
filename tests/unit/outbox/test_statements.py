"""SQL by name, and one run of it for many rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from postroom_server.outbox import statements
from postroom_server.outbox.rows import EXACT, ORDER
from postroom_server.outbox.statements import MOST_ROWS, statement, write_rows
from postroom_server.outbox.works import REMOVALS


@pytest.fixture
def connection(monkeypatch):
    queries = {"add": "INSERT INTO t VALUES EACH(?, ?)"}
    monkeypatch.setattr(statements, "queries", lambda: queries)
    statements.statement.cache_clear()
    statements._for_rows.cache_clear()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.execute("CREATE TABLE t (a, b)")
        yield opened
    statements.statement.cache_clear()
    statements._for_rows.cache_clear()


@pytest.mark.parametrize("count", [0, 1, 2, MOST_ROWS, MOST_ROWS + 1, 3 * MOST_ROWS])
def test_every_row_is_written_once(connection, count):
    rows = [(n, str(n)) for n in range(count)]
    changed = write_rows(connection, "add", rows)

    assert changed == count
    assert connection.execute("SELECT a, b FROM t ORDER BY a").fetchall() == rows


def test_many_rows_are_one_run(connection):
    runs = []
    connection.set_trace_callback(runs.append)
    write_rows(connection, "add", [(n, n) for n in range(MOST_ROWS)])

    assert len(runs) == 1


def test_every_query_that_commits_use_has_its_sql():
    for name in (*ORDER, *EXACT, *REMOVALS):
        assert "EACH(" in statement(name)


def test_an_unknown_query_is_an_error():
    with pytest.raises(KeyError):
        statement("no_such_query")
