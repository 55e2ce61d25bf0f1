"""One commit at a time: many callers' work in one transaction.

Optimistic: all rows are written together, and if any is refused the transaction is
rolled back and each caller's part is written behind a savepoint, so that one bad row
fails its own caller alone.

After a failed commit nothing of it is in the store.  The commit may have reached the
log and failed after that, where a restart would find it; so a further commit, the
repair, overwrites it before anything else is done.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import Trouble, translated, trouble_of
from postroom_server.outbox.rows import EXACT, ORDER, Rows, merged
from postroom_server.outbox.statements import statement, write_rows
from postroom_server.outbox.telling import tell
from postroom_server.outbox.work import Outcome, Work

KEPT_PAGES = 1024
GIVEN_BACK_PAGES = 1024

Works = Sequence[Work[Any]]
Outcomes = list[Outcome[Any]]


class RowsMissed(Exception):
    """Not every row changed one in the store: a version has moved on."""


class Writer:
    """The writing connection, for one thread; *connect* makes another if it breaks."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        connect: Callable[[], sqlite3.Connection],
    ) -> None:
        self._connection = connection
        self._connect = connect
        self.is_away = False
        self._trouble: Trouble | None = None

    def commit(self, works: Works) -> Outcomes:
        """Store *works* durably, or tell for each why not; nothing is raised."""
        if self.is_away:
            return [Outcome(error=NotReady("the store is away")) for _ in works]
        try:
            outcomes = self._stored(works)
        except sqlite3.Error as error:
            return self._failed(works, error)
        self._trouble = None
        return outcomes

    def recover(self) -> bool:
        """Try to get at the store again; whether it is there."""
        try:
            # The old one is closed after: were it the last, closing would move into
            # the database what a failed commit left in the log.
            fresh = self._connect()
        except sqlite3.Error:
            return False
        old, self._connection = self._connection, fresh
        with contextlib.suppress(sqlite3.Error):
            old.close()
        self.is_away = not self._repaired()
        return not self.is_away

    def tidy(self) -> bool:
        """Do a little of what can wait; whether there is more of it.

        Moves the log into the database, and gives back pages that purging freed; some
        are kept for new mail, so that the file does not shrink and grow all day.
        """
        connection = self._connection
        free = 0
        with contextlib.suppress(sqlite3.Error):
            ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
            if free > KEPT_PAGES:
                # Not `execute`, which would run it for one page only.
                pages = min(GIVEN_BACK_PAGES, free - KEPT_PAGES)
                connection.executescript(f"PRAGMA incremental_vacuum({pages})")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return free > KEPT_PAGES + GIVEN_BACK_PAGES

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _stored(self, works: Works) -> Outcomes:
        try:
            with self._transaction():
                return self._together(works)
        except Exception as error:
            if trouble_of(error) is not Trouble.DATA:
                raise
        with self._transaction():
            return [self._alone(work) for work in works]

    def _together(self, works: Works) -> Outcomes:
        self._write(merged(work.rows for work in works))
        return [Outcome(work.perform(self._connection)) for work in works]

    def _alone(self, work: Work[Any]) -> Outcome[Any]:
        connection = self._connection
        connection.execute("SAVEPOINT one")
        try:
            work.make_room(connection)
            self._write(work.rows)
            outcome = Outcome(work.perform(connection))
        except Exception as error:
            if trouble_of(error) is not Trouble.DATA:
                raise
            connection.execute("ROLLBACK TO one")
            outcome = self._refused(work, error)
        connection.execute("RELEASE one")
        return outcome

    def _refused(self, work: Work[Any], error: Exception) -> Outcome[Any]:
        try:
            return Outcome(work.refused(self._connection, error))
        except Exception as raised:
            if trouble_of(raised) is not Trouble.DATA:
                raise
            return Outcome(error=translated(raised))

    def _write(self, rows: Rows) -> None:
        for name in ORDER:
            part = rows.get(name)
            if not part:
                continue
            changed = write_rows(self._connection, name, part)
            if name in EXACT and changed != len(part):
                raise RowsMissed(name)

    def _failed(self, works: Works, error: sqlite3.Error) -> Outcomes:
        kind = trouble_of(error)
        self._note(kind, error)
        if kind is Trouble.FULL:
            return self._without_new(works, error)
        if kind is Trouble.AWAY:
            self.is_away = not self._repaired()
        return [Outcome(error=translated(error)) for _ in works]

    def _note(self, kind: Trouble, error: sqlite3.Error) -> None:
        # Once, however many callers it hits: the log may be on the same full disk.
        if kind is not self._trouble:
            tell("error", "outbox.not_stored", trouble=kind.value, error=str(error))
        self._trouble = kind

    def _without_new(self, works: Works, error: sqlite3.Error) -> Outcomes:
        """What is recorded of mail under way may still fit where new mail does not."""
        old = [work for work in works if not work.adds]
        stored: Outcomes = []
        if len(old) < len(works):
            with contextlib.suppress(sqlite3.Error):
                stored = self._stored(old)
        kept = iter(stored)
        return [
            next(kept) if stored and not work.adds else Outcome(error=translated(error))
            for work in works
        ]

    def _repaired(self) -> bool:
        try:
            with self._transaction():
                self._connection.execute(statement("count_repair"))
        except sqlite3.Error:
            return False
        return True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
