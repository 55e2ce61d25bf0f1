"""The schema of a store: made, checked, and brought up to date at the start.

A new store runs the SQL of each revision as it stands.  An older one is copied aside
and migrated by Alembic, which (with SQLAlchemy) takes longer to import than a store
takes to open, and so is imported only then.  A newer one is refused.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import structlog

from postroom_server.domain.clock import Instant
from postroom_server.outbox.errors import StoreForeign, StoreTooNew
from postroom_server.outbox.statements import script

REVISIONS = ("0001",)
"""All revisions of the schema, in order; each has its files in `migrations`."""

_FORMAT = 1
_VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_log = structlog.get_logger()


def prepare(connection: sqlite3.Connection, path: Path, now: Instant) -> None:
    """Make the store at *path*, to which *connection* writes, one of this version.

    Raises `StoreTooNew` or `StoreForeign` and leaves the file as it is.
    """
    revision = _revision(connection, path)
    if revision is None:
        _create(connection, now)
    elif revision not in REVISIONS:
        raise StoreTooNew(
            f"the store {path} was written by a newer version of Postroom "
            f"(schema {revision}, this one knows {REVISIONS[-1]})"
        )
    elif revision != REVISIONS[-1]:
        _copy(connection, path.with_name(f"{path.name}.before-{REVISIONS[-1]}"))
        migrate(path)


def migrate(path: Path, revision: str = "head") -> None:
    """Bring the store at *path*, which nobody has open, to *revision*."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = files("postroom_server.outbox") / "migrations"
    config.set_main_option("script_location", str(folder))
    config.attributes["path"] = path
    command.upgrade(config, revision)
    _log.info("migrated the store", revision=revision)


def revision_sql(revision: str) -> list[str]:
    """The statements of *revision*."""
    folder = files("postroom_server.outbox") / "migrations" / "versions"
    (source,) = (f for f in folder.iterdir() if f.name == f"{revision}.sql")
    return list(script(source.read_text(encoding="utf-8")))


def add_identity(connection: sqlite3.Connection, now: Instant) -> None:
    """Give a new store its name and birthday."""
    values = (uuid.uuid4().hex, now, _FORMAT, 0)
    connection.execute("INSERT INTO store VALUES (?, ?, ?, ?)", values)


def _revision(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision of the store; None where there is none yet."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    tables = {name for (name,) in connection.execute(query)}
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreForeign(f"{path} is a database, but no store of Postroom")
    (revision,) = connection.execute(
        "SELECT version_num FROM alembic_version"
    ).fetchone()
    return str(revision)


def _create(connection: sqlite3.Connection, now: Instant) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for revision in REVISIONS:
            for statement in revision_sql(revision):
                connection.execute(statement)
        connection.execute(_VERSION_TABLE)
        stamp = (REVISIONS[-1],)
        connection.execute("INSERT INTO alembic_version VALUES (?)", stamp)
        add_identity(connection, now)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
