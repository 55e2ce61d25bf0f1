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
    expire,
    finish_attempt,
)
from postroom_server.outbox.records import (
    UnreadableDelivery,
    delivery_document,
    delivery_in,
)
from postroom_server.outbox.rows import ORDER, lane_number, merged, rows_of_change
from postroom_server.outbox.statements import (
    Connection,
    due_deliveries,
    statement,
    write_together,
)
from postroom_server.outbox.telling import tell
from postroom_server.outbox.work import Work

MOST_ROUNDS = 8
"""How often one claim looks again because what it found had expired."""

UNREADABLE_PAUSE = 3600.0
"""For so many seconds a delivery that can't be read is out of the lane's way."""


Rows = Sequence[tuple[Any, ...]]
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
        taken: dict[LaneKey, list[Taken]] = {lane: [] for lane in self._wanted}
        wanted = self._wanted
        for _ in range(MOST_ROUNDS):
            found = self._found(connection, wanted)
            self._take(connection, found, taken)
            wanted = {
                lane: missing
                for lane, expected in wanted.items()
                if len(found[lane]) == expected
                and (missing := self._missing(taken, lane))
            }
            if not wanted:
                break
        return [one for lane in self._wanted for one in taken[lane]]

    def _missing(self, taken: Mapping[LaneKey, Sequence[Taken]], lane: LaneKey) -> int:
        """How many more of *lane* may begin, where what was found had expired."""
        return self._wanted[lane] - sum(one.is_begun for one in taken[lane])

    def _found(
        self, connection: Connection, wanted: Mapping[LaneKey, int]
    ) -> Mapping[LaneKey, Rows]:
        """What is due of each lane, at most as many as *wanted*."""
        places = [(lane_number(lane), lane.tenant, n) for lane, n in wanted.items()]
        found = due_deliveries(connection, (self._relay, self._now), places)
        return dict(zip(wanted, found, strict=True))

    def undone(self, result: Sequence[Taken], /) -> Sequence[Work[Any]]:
        begun = (taken.change.after for taken in result if taken.is_begun)
        return [PutBack(delivery, self._now) for delivery in begun]

    def _take(
        self,
        connection: Connection,
        found: Mapping[LaneKey, Rows],
        taken: Mapping[LaneKey, list[Taken]],
    ) -> None:
        """Take a step with each that was *found*, all of them written together."""
        changes = []
        for lane, rows in found.items():
            for row in rows:
                delivery = self._read(connection, row)
                if delivery is not None:
                    changes.append(self._step(delivery))
                    taken[lane].append(Taken(changes[-1], (row[10], row[11])))
        _write(connection, changes)

    def _step(self, delivery: Delivery) -> Change:
        if delivery.expire_at <= self._now:
            return expire(delivery, self._now)
        return begin_attempt(delivery, self._now)

    def _read(self, connection: Connection, row: tuple[Any, ...]) -> Delivery | None:
        try:
            return delivery_in(row)
        except UnreadableDelivery:
            tell("exception", "outbox.unreadable_put_off", delivery=row[0])
            later = after(self._now, UNREADABLE_PAUSE)
            connection.execute(statement("put_off"), (later, row[0]))
            return None


class PutBack(Work[None]):
    """Have what a claim began wait again, if it is that claim's.

    A claim that was not stored after all may be followed by another one, of this
    process or of another, which makes the same version of the delivery: the moment in
    its document tells them apart.  What another has begun is being sent.
    """

    def __init__(self, begun: Delivery, now: Instant) -> None:
        super().__init__()
        self._begun = begun
        self._now = now

    def perform(self, connection: Connection, /) -> None:
        delivery = self._begun
        found = connection.execute(statement("stored_delivery"), (delivery.id,))
        if found.fetchone() == (delivery.version, delivery_document(delivery)):
            _write(connection, [_lost(delivery, self._now)])


def _lost(delivery: Delivery, now: Instant) -> Change:
    """An attempt that nobody makes costs nothing, and is due again at once."""
    attempt = Attempt(
        number=delivery.attempts_made,
        relay=delivery.relay_name,
        started_at=delivery.leased_at or now,
        ended_at=now,
        outcome=AttemptOutcome.LOST,
        detail="nobody was left to make it",
    )
    return finish_attempt(delivery, attempt, {}, now)


def _write(connection: Connection, changes: Sequence[Change]) -> None:
    rows = merged(rows_of_change(change) for change in changes)
    write_together(connection, [(name, rows[name]) for name in ORDER if name in rows])
