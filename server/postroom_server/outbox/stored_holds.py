"""The hold of a store, as a row of it: a claim finds nothing while the row is there."""

from __future__ import annotations

import uuid

from postroom_server.domain.clock import Instant
from postroom_server.domain.hold import Hold
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.rows import Rows
from postroom_server.outbox.statements import Connection, statement
from postroom_server.outbox.work import Written

SCOPE = "store"
"""The key of the one row."""


class StoredHolds:
    """The hold in a store."""

    def __init__(self, committer: Committer, readers: Readers) -> None:
        self._committer = committer
        self._readers = readers

    def now(self) -> Hold | None:
        """Why the store is on hold; see `Holds.now`."""
        with self._readers.lend() as connection:
            return hold_in(connection)

    def begin(self, hold: Hold, *, restored: bool = False) -> None:
        """Nothing is claimed from now on; see `Holds.begin`."""
        rows: Rows = {"put_hold": [(SCOPE, hold.reason, hold.since)]}
        self._committer.run(_Renamed(rows) if restored else Written(rows))

    def end(self) -> None:
        """What is due may be claimed again; see `Holds.end`."""
        self._committer.run(Written({"drop_hold": [(SCOPE,)]}))


def hold_in(connection: Connection) -> Hold | None:
    """Why the store of *connection* is on hold; None where it is not."""
    for reason, since in connection.execute(statement("hold")).fetchall():
        return Hold(reason, Instant(since))
    return None


class _Renamed(Written):
    """Rows, and another identity of the store."""

    def perform(self, connection: Connection, /) -> None:
        connection.execute(statement("rename_store"), (uuid.uuid4().hex,))
