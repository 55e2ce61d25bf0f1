"""Opening a store: alone, of the right version, and quickly."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.connecting import connect_writer
from postroom_server.outbox.errors import StoreForeign, StoreLocked, StoreTooNew
from postroom_server.outbox.migrating import CURRENT, Schema, migrate, prepare
from postroom_server.outbox.schema import metadata
from postroom_server.outbox.sqlite import SqliteOutbox
from sqlalchemy import create_engine

from tests.support.builders import NOW
from tests.support.outboxes import accept, claim

HOLD = """
import sys, time
from pathlib import Path
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.sqlite import SqliteOutbox
outbox = SqliteOutbox.open(Path(sys.argv[1]), clock=SystemClock())
print("held", file=sys.stderr, flush=True)
sys.stdin.read()
"""
LIST_IMPORTS = """
import sys
from pathlib import Path
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.sqlite import SqliteOutbox
SqliteOutbox.open(Path(sys.argv[1]), clock=SystemClock()).close()
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def open_store(path: Path) -> SqliteOutbox:
    return SqliteOutbox.open(path, clock=SystemClock())


# The lock


def test_a_store_that_is_open_cannot_be_opened_again(outbox, path):
    with pytest.raises(StoreLocked, match="in use by another process"):
        open_store(path)


def test_a_store_that_another_process_has_open_cannot_be_opened(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stderr.readline() == "held\n"
        with pytest.raises(StoreLocked):
            open_store(path)
        holder.send_signal(signal.SIGKILL)

    open_store(path).close()


def test_an_open_that_failed_leaves_no_lock(path):
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(StoreForeign):
        open_store(path)
    path.unlink()

    open_store(path).close()


# The schema


def schema_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
        found = {" ".join(sql.split()) for (sql,) in connection.execute(query)}
    return {sql.replace("( ", "(").replace(" )", ")") for sql in found}


TABLES = """
    SELECT l.name, l.wr, l.strict, i.name, i.type, i."notnull", i.pk
    FROM pragma_table_list AS l JOIN pragma_table_info(l.name) AS i
    WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite_%'
    AND l.name <> 'alembic_version'
"""
INDEXES = """
    SELECT l.name, i."unique", i.partial, x.seqno, x.name
    FROM pragma_table_list AS l
    JOIN pragma_index_list(l.name) AS i JOIN pragma_index_info(i.name) AS x
    WHERE l.schema = 'main' AND l.name <> 'alembic_version'
"""


def structure_of(path: Path) -> tuple[set, set]:
    with closing(sqlite3.connect(path)) as connection:
        return (
            set(connection.execute(TABLES).fetchall()),
            set(connection.execute(INDEXES).fetchall()),
        )


def test_a_new_store_has_the_tables_that_the_metadata_describe(outbox, path, tmp_path):
    described = tmp_path / "described.db"
    engine = create_engine(f"sqlite:///{described}")
    metadata.create_all(engine)
    engine.dispose()

    assert structure_of(path) == structure_of(described)
    assert len(metadata.tables) == 15


def test_alembic_sees_no_difference(outbox, path):
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def test_a_new_store_is_what_migrating_makes(outbox, path, tmp_path):
    migrated = tmp_path / "migrated.db"
    migrate(migrated)

    assert schema_of(migrated) == schema_of(path)


def test_the_revisions_are_those_of_the_folder():
    found = {p.name.split(".")[0] for p in (CURRENT.folder / "versions").glob("*.sql")}

    assert found == set(CURRENT.revisions)


@pytest.fixture
def next_schema(tmp_path) -> Schema:
    """The schema of a version to come, with one more revision."""
    folder = tmp_path / "migrations"
    versions = folder / "versions"
    versions.mkdir(parents=True)
    for source in (CURRENT.folder / "env.py", *CURRENT.folder.glob("versions/0*")):
        target = folder / source.relative_to(CURRENT.folder)
        target.write_text(source.read_text())
    (versions / "9999.sql").write_text("ALTER TABLE delivery ADD COLUMN extra TEXT")
    (versions / "9999.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', {CURRENT.newest!r}\n"
        "def upgrade():\n"
        "    op.execute('ALTER TABLE delivery ADD COLUMN extra TEXT')\n"
    )
    return Schema(folder, (*CURRENT.revisions, "9999"))


def prepared(path: Path, schema: Schema) -> None:
    with closing(connect_writer(path)) as connection:
        prepare(connection, path, Instant(NOW), schema)


def test_an_older_store_is_copied_and_migrated_with_what_it_holds(
    open_outbox, path, rows, next_schema
):
    delivery = accept(open_outbox())
    open_outbox().close()
    before = schema_of(path)
    prepared(path, next_schema)

    assert rows("SELECT id, extra FROM delivery") == [(delivery.id, None)]
    assert rows("SELECT version_num FROM alembic_version") == [("9999",)]
    assert schema_of(path.with_name("outbox.db.before-9999")) == before


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    open_outbox, path, rows, next_schema
):
    open_outbox().close()
    before = schema_of(path)
    source = next_schema.folder / "versions" / "9999.py"
    source.write_text(source.read_text() + "    op.execute('nonsense')\n")
    with pytest.raises(Exception, match="nonsense"):
        prepared(path, next_schema)

    assert schema_of(path) == before
    assert rows("SELECT version_num FROM alembic_version") == [(CURRENT.newest,)]


def raise_least_revision(schema: Schema) -> None:
    """The last revision of *schema* is for its own version and later ones alone."""
    sql = "UPDATE store SET least_revision = '9999'"
    source = schema.folder / "versions" / "9999.py"
    source.write_text(source.read_text() + f'    op.execute("{sql}")\n')


def test_a_store_of_a_newer_version_is_refused_and_not_touched(
    open_outbox, path, next_schema
):
    open_outbox().close()
    raise_least_revision(next_schema)
    prepared(path, next_schema)
    before = schema_of(path)
    with pytest.raises(StoreTooNew, match="newer version of Postroom"):
        open_store(path)

    assert schema_of(path) == before


def test_a_store_that_a_newer_version_left_usable_is_used(
    open_outbox, path, next_schema
):
    first = accept(open_outbox())
    open_outbox().close()
    prepared(path, next_schema)
    outbox = open_outbox()
    second = accept(outbox)

    assert {one.id for one in claim(outbox)} == {first.id, second.id}


# What is no store


def test_another_programs_database_is_refused_and_not_touched(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = schema_of(path)
    with pytest.raises(StoreForeign, match="no store of Postroom"):
        open_store(path)

    assert schema_of(path) == before


@pytest.mark.parametrize("size", [100, 8192])
def test_a_file_that_is_no_database_is_refused_and_not_touched(path, size):
    path.write_bytes(b"\xaa" * size)
    with pytest.raises(StoreForeign):
        open_store(path)

    assert path.read_bytes() == b"\xaa" * size


def test_a_file_cut_short_is_refused(open_outbox, path):
    open_outbox().close()
    os.truncate(path, 5000)
    with pytest.raises(StoreForeign):
        open_store(path)


# Beside that


def pragma(connection: sqlite3.Connection, name: str) -> object:
    ((value,),) = connection.execute(f"PRAGMA {name}").fetchall()
    return value


def test_a_commit_is_flushed_and_nothing_is_mapped(outbox):
    writer = outbox._committer._writer._connection

    assert pragma(writer, "journal_mode") == "wal"
    assert pragma(writer, "synchronous") == 2
    assert pragma(writer, "mmap_size") == 0


def test_readers_can_neither_write_nor_checkpoint(outbox):
    with outbox._readers.lend() as reader:
        assert pragma(reader, "wal_autocheckpoint") == 0
    with pytest.raises(NotReady), outbox._readers.lend() as reader:
        reader.execute("DELETE FROM delivery")


def test_only_its_owner_may_read_a_store(outbox, path):
    accept(outbox)
    modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
    folder = modes.pop("outbox.db.files")

    assert set(modes) >= {"outbox.db", "outbox.db-wal", "outbox.db.lock"}
    assert set(modes.values()) == {0o600}
    assert folder == 0o700


def test_the_migration_tools_are_not_loaded_to_serve(path):
    def loaded() -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", LIST_IMPORTS, path],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        return set(done.stderr.split())

    new, existing = loaded(), loaded()

    assert {"alembic", "sqlalchemy"}.isdisjoint(new | existing)
    assert "sqlite3" in new


def test_a_folder_with_odd_characters_is_no_trouble(tmp_path):
    folder = tmp_path / "a?b#c%20 d"
    folder.mkdir()
    open_store(folder / "outbox.db").close()

    assert (folder / "outbox.db").stat().st_size > 0
