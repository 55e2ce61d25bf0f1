"""The schema of a fleet's store: made, checked, and brought up to date.

The revisions are those of SQLite, translated; what only a fleet has stands beside them.
An empty database becomes a store at once.  An older one is brought up to date by
command alone, while the processes of the version before go on: a revision adds, and one
that takes away waits until none is left that needs it.  A process alone may change the
schema, and the others wait: an advisory lock says who.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from postroom_server.domain.clock import Instant
from postroom_server.outbox.errors import (
    DatabaseTrouble,
    StoreForeign,
    StoreInUse,
    StoreOutdated,
    Trouble,
)
from postroom_server.outbox.migrating import (
    CURRENT,
    FORMAT,
    IDENTITY,
    LEAST_REVISION,
    VERSION_TABLE,
    Schema,
    check_usable,
)
from postroom_server.outbox.postgres.connecting import Link, database_errors
from postroom_server.outbox.postgres.dialect import translated_schema
from postroom_server.outbox.telling import tell

_LOCK = "SELECT pg_advisory_xact_lock(7061420, 0)"
OLDEST = 150000
"""The oldest PostgreSQL that will do, as it numbers itself: 15.0."""
WITH_LEAST = "0009"
"""From this revision on a store says which versions can use it."""
TRIES = 30
"""How often a revision is tried that other transactions stand in the way of."""

_Connection = psycopg.Connection[tuple[object, ...]]


def prepare(link: Link, now: Instant, schema: Schema = CURRENT) -> None:
    """Make the database, or the schema first on its search path, fit for *schema*.

    Raises `StoreOutdated`, `StoreTooNew`, `StoreForeign` or `DatabaseTrouble`, and
    changes nothing then.
    """
    with _alone(link, lock_timeout="60s") as connection:
        if _revision(connection) is None:
            _create(connection, schema, now)
            return
    check_revision(link, schema)


def check_revision(link: Link, schema: Schema = CURRENT) -> None:
    """Raise `StoreOutdated`, `StoreTooNew` or `StoreForeign` unless it can be used."""
    with database_errors():
        revision = _revision(link.raw)
        if revision is None:
            raise StoreForeign("the database is empty")
        if revision not in schema.revisions:
            least = str(_one(link.raw, LEAST_REVISION))
            check_usable("the store", revision, least, schema)
        elif revision != schema.newest:
            raise StoreOutdated(
                f"the store has schema {revision}, and this version needs "
                f"{schema.newest}: run `postroomd store migrate`"
            )


def migrate(link: Link, now: Instant, schema: Schema = CURRENT) -> list[str]:
    """Bring the store up to date, revision by revision; those that were applied.

    Each is a transaction of its own, which waits 2 seconds for others at most: what
    waits for it waits no longer.  Raises as `check_revision`, `StoreInUse` where
    processes of an older version must end first, and `DatabaseTrouble`.
    """
    applied = []
    while (following := _step(link, now, schema)) is not None:
        applied.append(following)
    check_revision(link, schema)
    return applied


def statements(schema: Schema, revision: str) -> list[str]:
    """What *revision* does to a fleet's store."""
    common = [translated_schema(sql) for sql in schema.sql(revision)]
    return common + schema.of_fleet(revision)


def _step(link: Link, now: Instant, schema: Schema) -> str | None:
    """Apply the next revision; None where there is none."""
    for turn in range(1, TRIES + 1):
        try:
            return _next(link, now, schema)
        except DatabaseTrouble as error:
            if error.kind is not Trouble.BUSY or turn == TRIES:
                raise
            time.sleep(0.5)
    raise AssertionError("unreachable")


def _next(link: Link, now: Instant, schema: Schema) -> str | None:
    with _alone(link, lock_timeout="2s") as connection:
        revision = _revision(connection)
        if revision is None:
            _create(connection, schema, now)
            return schema.newest
        if revision not in schema.revisions[:-1]:
            return None
        following = schema.revisions[schema.revisions.index(revision) + 1]
        for sql in statements(schema, following):
            connection.execute(sql.encode())
        connection.execute("UPDATE alembic_version SET version_num = %s", (following,))
        if following >= WITH_LEAST:
            _refuse_older(connection)
    tell("info", "outbox.migrated", before=revision, now=following)
    return following


def _refuse_older(connection: _Connection) -> None:
    """Raise `StoreInUse` where a process lives that the store is now too new for."""
    query = "SELECT owner FROM node WHERE until >= clock_timestamp() AND revision < %s"
    least = _one(connection, LEAST_REVISION)
    owners = [str(owner) for (owner,) in connection.execute(query, (least,)).fetchall()]
    if owners:
        named = ", ".join(sorted(owners))
        raise StoreInUse(f"processes of an older version must end first: {named}")


def _create(connection: _Connection, schema: Schema, now: Instant) -> None:
    for revision in schema.revisions:
        for sql in statements(schema, revision):
            connection.execute(sql.encode())
    connection.execute(VERSION_TABLE.encode())
    connection.execute("INSERT INTO alembic_version VALUES (%s)", (schema.newest,))
    identity = (uuid.uuid4().hex, now, FORMAT, 0)
    connection.execute(IDENTITY.replace("?", "%s").encode(), identity)


@contextmanager
def _alone(link: Link, *, lock_timeout: str) -> Iterator[_Connection]:
    """A transaction in which no other process changes the schema."""
    connection = link.raw
    if connection.info.server_version < OLDEST:
        raise StoreForeign("the store needs PostgreSQL 15 or newer")
    with database_errors(), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '60s'")
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute(_LOCK)
        connection.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'".encode())
        yield connection


def _one(connection: _Connection, query: str) -> object:
    (found,) = connection.execute(query.encode()).fetchall()
    return found[0]


def _revision(connection: _Connection) -> str | None:
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
