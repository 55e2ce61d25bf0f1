"""The schema of a fleet's store: made, checked, and brought up to date.

The revisions are those of SQLite, translated; what only a fleet has stands beside them.
A process alone may change it, and the others wait: an advisory lock says who.
"""

from __future__ import annotations

import uuid

import psycopg

from postroom_server.domain.clock import Instant
from postroom_server.outbox.errors import StoreForeign, StoreTooNew
from postroom_server.outbox.migrating import CURRENT, FORMAT, VERSION_TABLE, Schema
from postroom_server.outbox.postgres.connecting import Link, database_errors
from postroom_server.outbox.postgres.dialect import translated_schema
from postroom_server.outbox.statements import script
from postroom_server.outbox.telling import tell

_LOCK = "SELECT pg_advisory_xact_lock(7061420, 0)"
OLDEST = 150000


def prepare(link: Link, now: Instant, schema: Schema = CURRENT) -> None:
    """Make the database, or the schema first on its search path, one of *schema*.

    Raises `StoreTooNew`, `StoreForeign` or `DatabaseTrouble`, and changes nothing then.
    """
    connection = link.raw
    if connection.info.server_version < OLDEST:
        raise StoreForeign("the store needs PostgreSQL 15 or newer")
    with database_errors(), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '60s'")
        connection.execute("SET LOCAL statement_timeout = '60s'")
        connection.execute(_LOCK)
        revision = _revision(connection)
        if revision == schema.newest:
            return
        if revision is not None and revision not in schema.revisions:
            raise StoreTooNew(
                "the store was written by a newer version of Postroom "
                f"(its schema is {revision}, this version knows {schema.newest})"
            )
        _upgrade(connection, schema, revision)
        if revision is None:
            identity = (uuid.uuid4().hex, now, FORMAT, 0)
            connection.execute("INSERT INTO store VALUES (%s, %s, %s, %s)", identity)
    if revision is not None:
        tell("info", "outbox.migrated", before=revision, now=schema.newest)


def statements(schema: Schema, revision: str) -> list[str]:
    """What *revision* does to a fleet's store."""
    own = schema.folder / "versions" / f"{revision}.postgres.sql"
    found = [translated_schema(sql) for sql in schema.sql(revision)]
    if own.is_file():
        found += script(own.read_text(encoding="utf-8"))
    return found


def _upgrade(
    connection: psycopg.Connection[tuple[object, ...]],
    schema: Schema,
    revision: str | None,
) -> None:
    done = 0 if revision is None else schema.revisions.index(revision) + 1
    for following in schema.revisions[done:]:
        for sql in statements(schema, following):
            connection.execute(sql.encode())
    if revision is None:
        connection.execute(VERSION_TABLE.encode())
        connection.execute("INSERT INTO alembic_version VALUES (%s)", (schema.newest,))
    else:
        connection.execute(
            "UPDATE alembic_version SET version_num = %s", (schema.newest,)
        )


def _revision(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    """The revision of the store; None where there is nothing yet."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    tables = {str(name) for (name,) in connection.execute(query)}
    if not tables:
        return None
    rows = []
    if "alembic_version" in tables and "lease" in tables:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if len(rows) != 1:
        raise StoreForeign("the database has tables, but is no store of Postroom")
    return str(rows[0][0])
