"""A store of the first version is brought up to date with its mail."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from postroom_server.outbox.connecting import connect_writer
from postroom_server.outbox.content import FORMAT
from postroom_server.outbox.migrating import CURRENT, Schema, prepare

from tests.support.blobs import DATA, upload, with_file
from tests.support.builders import NOW, a_content, a_new_delivery, an_attachment
from tests.support.outboxes import claim

MAIL = a_content(attachments=(an_attachment(b"octets" * 20_000),))

LANES_OF_THE_FIRST = """
    DROP INDEX due_order;
    ALTER TABLE due DROP COLUMN tenant;
    UPDATE due SET lane = lane - 4;
    CREATE INDEX due_order ON due (relay, lane, due_at, delivery);
"""


def parts(schema: Schema, path) -> set[tuple[str, str]]:
    """The tables and indexes, by kind and name."""
    path.touch()
    with closing(connect_writer(path)) as connection:
        prepare(connection, path, NOW, schema)
        query = "SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL"
        return set(connection.execute(query).fetchall())


@pytest.fixture
def old_store(open_outbox, path, tmp_path):
    """A store of the first revision with one mail, whose id is given."""
    outbox = open_outbox()
    change = a_new_delivery()
    outbox.accept(change, MAIL, None)
    outbox.close()
    first = Schema(CURRENT.folder, CURRENT.revisions[:1])
    later = parts(CURRENT, path) - parts(first, tmp_path / "first.db")
    with closing(sqlite3.connect(path)) as store:
        for kind, name in sorted(later):
            store.execute(f"DROP {kind} IF EXISTS {name}")
        store.executescript(LANES_OF_THE_FIRST)
        store.execute("UPDATE alembic_version SET version_num = '0001'")
        store.commit()
    return change.after.id


def test_its_mail_is_there_and_read_as_it_was(open_outbox, old_store, rows):
    outbox = open_outbox()

    assert outbox.content(old_store) == MAIL
    assert rows("SELECT format FROM content") == [(FORMAT,)]


def test_it_takes_blobs_and_mail_with_files_from_now_on(open_outbox, old_store):
    outbox = open_outbox()
    blob = upload(outbox.blobs)
    change = a_new_delivery()
    outbox.accept(change, with_file(blob.octets), None)
    (octets,) = outbox.content(change.after.id).message.stored

    assert b"".join(octets.blocks()) == DATA


def test_it_is_copied_aside_before(open_outbox, old_store, path):
    open_outbox()
    copy = path.with_name(f"{path.name}.before-{CURRENT.newest}")

    with closing(sqlite3.connect(copy)) as store:
        assert store.execute("SELECT version_num FROM alembic_version").fetchall() == [
            ("0001",)
        ]


def test_its_mail_waits_as_before(open_outbox, old_store):
    outbox = open_outbox()

    assert [delivery.id for delivery in claim(outbox)] == [old_store]
