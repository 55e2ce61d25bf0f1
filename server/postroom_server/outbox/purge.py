"""Removing what is past its time, a little at once: no turn holds up other work.

Nothing of a live delivery is ever removed.  A delivery whose content goes loses its
subject with it, and gets a new version: whoever read it before can't write it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postroom_server.domain.clock import Instant, after
from postroom_server.domain.transitions import Change
from postroom_server.outbox.records import delivery_in
from postroom_server.outbox.rows import rows_of_change
from postroom_server.outbox.statements import Connection, Row, statement, write_rows
from postroom_server.outbox.store import Retention
from postroom_server.outbox.work import Work
from postroom_server.outbox.works import REMOVALS

MOST_REMOVED = 500
"""Rows of each kind that one turn removes."""


@dataclass(slots=True)
class EventCursor:
    """How far old events were looked for; it begins anew where young ones begin."""

    after: int = 0


class Purge(Work[int]):
    """One turn of purging."""

    def __init__(self, now: Instant, retention: Retention, cursor: EventCursor) -> None:
        super().__init__()
        self._now = now
        self._retention = retention
        self._cursor = cursor

    def perform(self, connection: Connection, /) -> int:
        return sum(step(connection) for step in self.steps)

    @property
    def steps(self) -> Sequence[Callable[[Connection], int]]:
        """Its parts, each whole by itself; what a part gives is how much it removed."""
        return (
            self._requests,
            self._contents,
            self._deliveries,
            self._events,
            self._blobs,
        )

    def _requests(self, connection: Connection) -> int:
        values = (self._now, MOST_REMOVED)
        return connection.execute(statement("purge_requests"), values).rowcount

    def _blobs(self, connection: Connection) -> int:
        values = (self._now, MOST_REMOVED)
        return connection.execute(statement("purge_blobs"), values).rowcount

    def _contents(self, connection: Connection) -> int:
        settled_before = after(self._now, -self._retention.content)
        found = _all(connection, "spent_contents", settled_before)
        changes = [_without_content(row) for row in found]
        rows = [rows_of_change(c)["change_delivery"][0] for c in changes]
        write_rows(connection, "change_delivery", rows)
        return _remove(
            connection,
            ("remove_content", "remove_content_files"),
            [(row[0],) for row in found],
        )

    def _deliveries(self, connection: Connection) -> int:
        settled_before = after(self._now, -self._retention.deliveries)
        found = _all(connection, "old_deliveries", settled_before)
        return _remove(connection, REMOVALS, found)

    def _events(self, connection: Connection) -> int:
        before = after(self._now, -self._retention.events)
        found = _all(connection, "events_after", self._cursor.after)
        old = [(seq, live) for seq, at, live in found if at < before]
        whole = len(old) == len(found) == MOST_REMOVED
        self._cursor.after = old[-1][0] if whole else 0
        dead = [(seq,) for seq, live in old if not live]
        return write_rows(connection, "purge_events", dead)


def _all(connection: Connection, name: str, bound: int) -> list[Any]:
    return connection.execute(statement(name), (bound, MOST_REMOVED)).fetchall()


def _without_content(row: tuple[Any, ...]) -> Change:
    before = delivery_in(row)
    purged = replace(
        before, version=before.version + 1, content_purged=True, subject=""
    )
    return Change(before=before, after=purged)


def _remove(connection: Connection, names: Sequence[str], keys: Sequence[Row]) -> int:
    for name in names:
        write_rows(connection, name, keys)
    return len(keys)
