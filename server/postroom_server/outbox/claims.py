"""Claiming: attempts begin in the commit that finds them due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_server.domain.attempt import Attempt, AttemptOutcome
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.transitions import (
    Change,
    begin_attempt,
    expired,
    finish_attempt,
    settle,
)
from postroom_server.outbox.records import UnreadableDelivery, delivery_in
from postroom_server.outbox.rows import ORDER, lane_number, merged, rows_of_change
from postroom_server.outbox.statements import Connection, statement, write_rows
from postroom_server.outbox.telling import tell
from postroom_server.outbox.work import Work
from postroom_server.outbox.works import Save

MOST_ROUNDS = 8
"""How often one claim looks again because what it found had expired."""

UNREADABLE_PAUSE = 3600.0
"""For so many seconds a delivery that can't be read is out of the lane's way."""


Stored = tuple[Any, Any]
"""Format and bytes of a content; None and None where there is none."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that claiming took, and the content of its delivery, not decoded yet."""

    change: Change
    stored: Stored

    @property
    def is_begun(self) -> bool:
        """Whether an attempt began, rather than that the delivery had expired."""
        return self.change.after.leased_at is not None


class Claim(Work[Sequence[Taken]]):
    """Begin attempts on what is due in some lanes of one relay."""

    def __init__(self, relay: str, now: Instant, wanted: Mapping[LaneKey, int]) -> None:
        super().__init__()
        self._relay = relay
        self._now = now
        self._wanted = wanted

    def perform(self, connection: Connection, /) -> Sequence[Taken]:
        taken: list[Taken] = []
        for lane, limit in self._wanted.items():
            taken += self._from(connection, lane, limit)
        return taken

    def _from(
        self, connection: Connection, lane: LaneKey, limit: int
    ) -> Sequence[Taken]:
        place = (self._relay, lane_number(lane), lane.tenant, self._now)
        taken: list[Taken] = []
        wanted = limit
        for _ in range(MOST_ROUNDS):
            found = connection.execute(
                statement("due_deliveries"), (*place, wanted)
            ).fetchall()
            taken += self._take(connection, found)
            expected, wanted = wanted, limit - sum(t.is_begun for t in taken)
            if len(found) < expected or not wanted:
                break
        return taken

    def undone(self, result: Sequence[Taken], /) -> Sequence[Work[Any]]:
        begun = (taken.change.after for taken in result if taken.is_begun)
        return [Save(_lost(delivery, self._now)) for delivery in begun]

    def _take(
        self, connection: Connection, found: Sequence[tuple[Any, ...]]
    ) -> Sequence[Taken]:
        taken = []
        for row in found:
            delivery = self._read(connection, row)
            if delivery is not None:
                taken.append(Taken(self._step(delivery), (row[10], row[11])))
        _write(connection, [one.change for one in taken])
        return taken

    def _step(self, delivery: Delivery) -> Change:
        if delivery.expire_at <= self._now:
            fates = {r.wire: expired(r) for r in delivery.open_recipients}
            return settle(delivery, fates, self._now)
        return begin_attempt(delivery, self._now)

    def _read(self, connection: Connection, row: tuple[Any, ...]) -> Delivery | None:
        try:
            return delivery_in(row)
        except UnreadableDelivery:
            tell("exception", "outbox.unreadable_put_off", delivery=row[0])
            later = after(self._now, UNREADABLE_PAUSE)
            connection.execute(statement("put_off"), (later, row[0]))
            return None


def _lost(delivery: Delivery, now: Instant) -> Change:
    """An attempt that nobody makes costs nothing, and is due again at once."""
    attempt = Attempt(
        number=delivery.attempts_made,
        relay=delivery.relay,
        started_at=delivery.leased_at or now,
        ended_at=now,
        outcome=AttemptOutcome.LOST,
        detail="nobody was left to make it",
    )
    return finish_attempt(delivery, attempt, {}, now)


def _write(connection: Connection, changes: Sequence[Change]) -> None:
    rows = merged(rows_of_change(change) for change in changes)
    for name in ORDER:
        if name in rows:
            write_rows(connection, name, rows[name])
