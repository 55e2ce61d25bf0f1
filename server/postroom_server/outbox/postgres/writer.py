"""Commits in PostgreSQL: the rows of a batch on one way there and back.

A commit whose answer did not come may have been stored; what was new in it is taken
back when the database is there again.  Deadlocks with other processes are the
database's to find and ours to try again.
"""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.outbox.errors import (
    DRIVER_ERRORS,
    DatabaseTrouble,
    Trouble,
    trouble_of,
)
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.node import Node
from postroom_server.outbox.rows import EXACT, ORDER, Rows
from postroom_server.outbox.writer import Outcomes, RowsMissed, Works, Writer

_EXACT = EXACT | {"add_request"}
TURNS = 3
"""How often a batch is tried that other processes stood in the way of."""


class PostgresWriter(Writer):
    """The connection that commits; of these a process has one."""

    def __init__(self, link: Link, connect: Callable[[], Link], node: Node) -> None:
        super().__init__(link, connect)
        self._node = node

    def _stored(self, works: Works) -> Outcomes:
        """In one order for all processes, as far as *works* lock rows of their own.

        What locks none goes first, as it came.
        """
        if not any(work.locks for work in works):
            return super()._stored(works)
        order = sorted(range(len(works)), key=lambda number: works[number].locks)
        outcomes = super()._stored([works[number] for number in order])
        placed = dict(zip(order, outcomes, strict=True))
        return [placed[number] for number in range(len(works))]

    def _committed(
        self, works: Works, written: Callable[[Works], Outcomes]
    ) -> Outcomes:
        for turn in range(1, TURNS + 1):
            try:
                return self._once(works, written)
            except DRIVER_ERRORS as error:
                if trouble_of(error) is not Trouble.BUSY or turn == TURNS:
                    raise
        raise AssertionError("unreachable")

    def _once(self, works: Works, written: Callable[[Works], Outcomes]) -> Outcomes:
        self._check_lease()
        outcomes: Outcomes = []
        try:
            self._transacted(lambda: outcomes.extend(written(works)))
        except DRIVER_ERRORS as error:
            if outcomes and trouble_of(error) is Trouble.AWAY:
                # Its commit was under way: nobody knows.
                self._in_doubt += [
                    (work, outcome.result)
                    for work, outcome in zip(works, outcomes, strict=True)
                    if outcome.error is None
                ]
            raise
        self._node.tell_of(works)
        return outcomes

    def _write(self, rows: Rows) -> None:
        parts = [(name, sorted_rows(name, rows)) for name in ORDER if rows.get(name)]
        changed = self._link.write_together(parts)
        for (name, part), count in zip(parts, changed, strict=True):
            if name in _EXACT and count != len(part):
                raise RowsMissed(name)

    def _failed(self, works: Works, error: Exception) -> Outcomes:
        outcomes = super()._failed(works, error)
        if trouble_of(error) is Trouble.AWAY:
            # It may answer and yet be of no use: a fresh one is.
            self.is_away = True
        return outcomes

    def _repaired(self) -> bool:
        """A connection that is there, and a lease, are all that is needed."""
        try:
            self._check_lease()
            self._link.execute("SELECT 1").fetchall()
        except DRIVER_ERRORS:
            return False
        return True

    def _check_lease(self) -> None:
        """Let nothing be stored in the name of one that the others take for dead.

        An attempt that began so would be theirs to settle, as perhaps sent.
        """
        if not self._node.is_live:
            raise DatabaseTrouble(Trouble.AWAY, "the lease has ended")

    @property
    def _link(self) -> Link:
        assert isinstance(self._connection, Link)
        return self._connection


_KEYED = {"change_delivery": 1, "add_request": 2, "add_counter": 2, "drop_due": 1}


def sorted_rows(name: str, rows: Rows) -> list[tuple[object, ...]]:
    """In one order for all processes, where rows are locked that others write too."""
    part = [tuple(row) for row in rows[name]]
    keys = _KEYED.get(name)
    if keys is None:
        return part
    return sorted(part, key=lambda row: [str(key) for key in row[:keys]])
