"""A row that is written alone ends as it does among others."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from postroom_server.outbox.migrating import CURRENT
from postroom_server.outbox.rows import rows_of_change, rows_of_new
from postroom_server.outbox.statements import write_rows

from tests.support.builders import a_finish, a_new_delivery


@pytest.fixture
def connection():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        for revision in CURRENT.revisions:
            for statement in CURRENT.of_file(revision):
                opened.execute(statement)
        yield opened


def written(connection, changes):
    """What the deliveries of *changes* are once they were stored and changed."""
    for change in changes:
        (row,) = rows_of_new(change, (1, b""))["add_delivery"]
        write_rows(connection, "add_delivery", [row])
    finished = [rows_of_change(a_finish(change.after)) for change in changes]
    rows = [rows["change_delivery"][0] for rows in finished]
    return rows, write_rows(connection, "change_delivery", rows)


def stored(connection, delivery_id):
    query = "SELECT * FROM delivery WHERE id = ?"
    return connection.execute(query, (delivery_id,)).fetchone()


def test_a_change_alone_is_stored_as_one_among_others(connection):
    first, second = (a_new_delivery(leased=True) for _ in range(2))
    _, changed = written(connection, [first, second])
    among = stored(connection, first.after.id)
    connection.execute("DELETE FROM delivery")
    _, alone = written(connection, [first])

    assert (changed, alone) == (2, 1)
    assert stored(connection, first.after.id) == among


@pytest.mark.parametrize("count", [1, 2])
def test_a_change_of_another_version_changes_nothing(connection, count):
    changes = [a_new_delivery(leased=True) for _ in range(count)]
    rows, _ = written(connection, changes)
    before = stored(connection, changes[0].after.id)

    assert write_rows(connection, "change_delivery", rows) == 0
    assert stored(connection, changes[0].after.id) == before


def test_an_event_of_no_delivery_is_refused(connection):
    rows = rows_of_change(a_finish(a_new_delivery(leased=True).after))

    with pytest.raises(sqlite3.IntegrityError):
        write_rows(connection, "add_event", rows["add_event"])
