"""A copy of a store that is opened in its place: it was restored.

A backup is marked as one when it is made.  The first opening takes the mark away, gives
the store another identity, so that no cursor of the old one fits, and puts it on hold.
"""

from __future__ import annotations

import sqlite3
import uuid
from datetime import UTC, datetime

from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.outbox.statements import statement
from postroom_server.outbox.stored_holds import SCOPE
from postroom_server.outbox.telling import tell


def mark_as_copy(connection: sqlite3.Connection, now: Instant) -> None:
    """Whoever opens the store of *connection* next has restored it; not committed.

    One of a schema from before there were marks stays as it is.
    """
    columns = connection.execute("PRAGMA table_info(store)").fetchall()
    if any(column[1] == "copied_at" for column in columns):
        connection.execute("UPDATE store SET copied_at = ?", (now,))


def begin_anew(connection: sqlite3.Connection, now: Instant) -> None:
    """Put the store on hold, under a new identity, if it is a copy."""
    ((copied_at,),) = connection.execute("SELECT copied_at FROM store").fetchall()
    if copied_at is None:
        return
    reason = f"restored from the backup of {shown(copied_at)}"
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        put_on_hold(connection, reason, now)
    tell("warning", "outbox.restored", reason=reason)


def put_on_hold(connection: sqlite3.Connection, reason: str, now: Instant) -> None:
    """Make it another store that holds what it has; not committed."""
    connection.execute("UPDATE store SET id = ?, copied_at = NULL", (uuid.uuid4().hex,))
    hold = statement("put_hold").replace("EACH", "")
    connection.execute(hold, (SCOPE, reason, now))


def shown(instant: int) -> str:
    """A time as operators read it."""
    when = datetime.fromtimestamp(instant // MICROSECONDS, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
