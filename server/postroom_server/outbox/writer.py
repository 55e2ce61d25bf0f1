"""One commit at a time: many callers' work in one transaction.

Optimistic: all rows are written together, and if any is refused the transaction is
rolled back and each caller's part is written behind a savepoint, so that one bad row
fails its own caller alone.

After a failed commit nothing of it is in the store, or it is taken back: the commit may
have succeeded although its answer did not come.  In SQLite a further commit, the
repair, overwrites what reached the log; elsewhere it is told as `doubtful`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import (
    DRIVER_ERRORS,
    Trouble,
    translated,
    trouble_of,
)
from postroom_server.outbox.rows import EXACT, ORDER, Rows, merged
from postroom_server.outbox.statements import Connection, statement, write_rows
from postroom_server.outbox.telling import tell
from postroom_server.outbox.work import Outcome, Work

T = TypeVar("T")

Works = Sequence[Work[Any]]
Outcomes = list[Outcome[Any]]
Doubts = list[tuple[Work[Any], Any]]
"""Work, and the result that it would have had."""


class RowsMissed(Exception):
    """Not every row changed one in the store: a version has moved on."""


class Writing(Connection, Protocol):
    """A connection that writes."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or one that failed."""


class Writer:
    """The writing connection, for one thread; *connect* makes another if it breaks.

    This much is the same for every database; a subclass knows its own ways.
    """

    BEGIN = "BEGIN"

    def __init__(self, connection: Writing, connect: Callable[[], Writing]) -> None:
        self._connection = connection
        self._connect = connect
        self.is_away = False
        self._trouble: Trouble | None = None
        self._in_doubt: Doubts = []

    def commit(self, works: Works) -> Outcomes:
        """Store *works* durably, or tell for each why not; nothing is raised."""
        if self.is_away:
            return [Outcome(error=NotReady("the store is away")) for _ in works]
        try:
            outcomes = self._stored(works)
        except DRIVER_ERRORS as error:
            return self._failed(works, error)
        self._trouble = None
        return outcomes

    def recover(self) -> bool:
        """Try to get at the store again; whether it is there."""
        try:
            # The old one is closed after: were it the last, closing would move into
            # the database what a failed commit left in the log.
            fresh = self._connect()
        except DRIVER_ERRORS:
            return False
        old, self._connection = self._connection, fresh
        with contextlib.suppress(*DRIVER_ERRORS):
            old.close()
        self.is_away = not self._repaired()
        return not self.is_away

    def tidy(self) -> bool:
        """Do a little of what can wait; whether there is more of it."""
        return False

    def doubtful(self) -> Doubts:
        """Work whose commit may have been stored, though it was told otherwise."""
        doubts, self._in_doubt = self._in_doubt, []
        return doubts

    def close(self) -> None:
        with contextlib.suppress(*DRIVER_ERRORS):
            self._connection.close()

    def _stored(self, works: Works) -> Outcomes:
        try:
            return self._committed(works, self._together)
        except Exception as error:
            if trouble_of(error) is not Trouble.DATA:
                raise
        return self._committed(works, self._one_by_one)

    def _committed(
        self, works: Works, written: Callable[[Works], Outcomes]
    ) -> Outcomes:
        return self._transacted(lambda: written(works))

    def _one_by_one(self, works: Works) -> Outcomes:
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

    def _failed(self, works: Works, error: Exception) -> Outcomes:
        kind = trouble_of(error)
        self._note(kind, error)
        if kind is Trouble.FULL:
            return self._without_new(works, error)
        if kind is Trouble.AWAY:
            self.is_away = not self._repaired()
        return [Outcome(error=translated(error)) for _ in works]

    def _note(self, kind: Trouble, error: Exception) -> None:
        # Once, however many callers it hits: the log may be on the same full disk.
        if kind is not self._trouble:
            tell("error", "outbox.not_stored", trouble=kind.value, error=str(error))
        self._trouble = kind

    def _without_new(self, works: Works, error: Exception) -> Outcomes:
        """What is recorded of mail under way may still fit where new mail does not."""
        old = [work for work in works if not work.adds]
        stored: Outcomes = []
        if len(old) < len(works):
            with contextlib.suppress(*DRIVER_ERRORS):
                stored = self._stored(old)
        kept = iter(stored)
        return [
            next(kept) if stored and not work.adds else Outcome(error=translated(error))
            for work in works
        ]

    def _repaired(self) -> bool:
        try:
            query = statement("count_repair")
            self._transacted(lambda: self._connection.execute(query))
        except DRIVER_ERRORS:
            return False
        return True

    def _transacted(self, written: Callable[[], T]) -> T:
        """What *written* returns, once all that it wrote is stored."""
        connection = self._connection
        connection.execute(self.BEGIN)
        try:
            result = written()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(*DRIVER_ERRORS):
                    connection.execute("ROLLBACK")
            raise
        return result
