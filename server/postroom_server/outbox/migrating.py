"""The schema of a store: made, checked, and brought up to date at the start.

A new store runs the SQL of each revision as it stands.  An older one is copied aside
and migrated by Alembic, which (with SQLAlchemy) takes longer to import than a store
takes to open, and so is imported only then.  A newer one is refused.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from postroom_server.domain.clock import Instant
from postroom_server.outbox.errors import StoreForeign, StoreTooNew
from postroom_server.outbox.restoring import mark_as_copy
from postroom_server.outbox.statements import script
from postroom_server.outbox.telling import tell

FORMAT = 1
LEAST_REVISION = "SELECT least_revision FROM store"
IDENTITY = "INSERT INTO store (id, created_at, format, repairs) VALUES (?, ?, ?, ?)"
VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


@dataclass(frozen=True, slots=True)
class Schema:
    """All revisions, oldest first, and the folder where Alembic finds them."""

    folder: Path
    revisions: tuple[str, ...]

    @property
    def newest(self) -> str:
        return self.revisions[-1]

    def sql(self, revision: str) -> list[str]:
        """What *revision* does to every store."""
        return self._script(f"{revision}.sql")

    def of_file(self, revision: str) -> list[str]:
        """What it does to a store in a file."""
        return self.sql(revision) + self._script(f"{revision}.file.sql")

    def of_fleet(self, revision: str) -> list[str]:
        """What it does to a store that a fleet shares, beside the translation."""
        return self._script(f"{revision}.postgres.sql")

    def _script(self, name: str) -> list[str]:
        source = self.folder / "versions" / name
        if not source.is_file():
            return []
        return list(script(source.read_text(encoding="utf-8")))


CURRENT = Schema(
    Path(__file__).with_name("migrations"),
    (
        *("0001", "0002", "0003", "0004", "0005", "0006"),
        *("0007", "0008", "0009", "0010", "0011"),
    ),
)


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    now: Instant,
    schema: Schema = CURRENT,
) -> None:
    """Make the store at *path*, to which *connection* writes, one of *schema*.

    One that a newer version made is used as it is, if that version left it usable.
    Raises `StoreTooNew` or `StoreForeign` and leaves the file as it is.
    """
    revision = revision_of(connection, path)
    if revision is None:
        _create(connection, now, schema)
    elif revision not in schema.revisions:
        ((least,),) = connection.execute(LEAST_REVISION).fetchall()
        check_usable(f"the store {path}", revision, least, schema)
    elif revision != schema.newest:
        _copy(connection, path.with_name(f"{path.name}.before-{schema.newest}"), now)
        migrate(path, schema)
        tell("info", "outbox.migrated", before=revision, now=schema.newest)


def check_usable(store: str, revision: str, least: str, schema: Schema) -> None:
    """Raise `StoreTooNew` unless a version that knows *schema* can use *store*.

    Its *revision* is newer; *least* is the oldest whose programs can use it.
    """
    if least not in schema.revisions:
        raise StoreTooNew(
            f"{store} was written by a newer version of Postroom "
            f"(its schema is {revision}, this version knows {schema.newest})"
        )
    tell("warning", "outbox.newer_schema", revision=revision, known=schema.newest)


def migrate(path: Path, schema: Schema = CURRENT) -> None:
    """Bring the store at *path*, to which nobody writes, to the newest revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic reads the option as a template.
    config.set_main_option("script_location", str(schema.folder).replace("%", "%%"))
    config.attributes["path"] = path
    command.upgrade(config, schema.newest)


def revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision of the store; None where there is nothing yet."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    tables = {name for (name,) in connection.execute(query).fetchall()}
    if not tables:
        return None
    rows = []
    if "alembic_version" in tables:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if len(rows) != 1:
        raise StoreForeign(f"{path} is a database, but no store of Postroom")
    return str(rows[0][0])


def _create(connection: sqlite3.Connection, now: Instant, schema: Schema) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for revision in schema.revisions:
            for statement in schema.of_file(revision):
                connection.execute(statement)
        connection.execute(VERSION_TABLE)
        stamp = (schema.newest,)
        connection.execute("INSERT INTO alembic_version VALUES (?)", stamp)
        identity = (uuid.uuid4().hex, now, FORMAT, 0)
        connection.execute(IDENTITY, identity)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _copy(connection: sqlite3.Connection, target: Path, now: Instant) -> None:
    """Keep the store as it is now, durably, for the way back."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
        mark_as_copy(copy, now)
        copy.commit()
