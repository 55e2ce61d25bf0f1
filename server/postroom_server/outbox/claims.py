"""Claiming: attempts begin in the commit that finds them due."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from postroom_server.domain.attempt import Attempt, AttemptOutcome
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.transitions import (
    Change,
    Fate,
    begin_attempt,
    finish_attempt,
    settle_open,
)
from postroom_server.outbox.records import UnreadableDelivery, delivery_in
from postroom_server.outbox.rows import FRESH, ORDER, RETRY, merged, rows_of_change
from postroom_server.outbox.statements import statement, write_rows
from postroom_server.outbox.work import Work
from postroom_server.outbox.works import Save

MOST_ROUNDS = 8
"""How often one claim looks again because what it found had expired."""

UNREADABLE_PAUSE = 3600.0
"""For so many seconds a delivery that can't be read is out of the lane's way."""

_EXPIRED = Fate(status=RecipientStatus.EXPIRED, detail="expired")
_log = structlog.get_logger()

Stored = tuple[Any, Any]
"""Format and bytes of a content; None and None where there is none."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A delivery whose attempt has begun, and its content, not decoded yet."""

    delivery: Delivery
    stored: Stored


class Claim(Work[Sequence[Begun]]):
    """Begin attempts on what is due in one lane of one relay."""

    def __init__(self, relay: str, now: Instant, *, retries: bool, limit: int) -> None:
        super().__init__()
        self._lane = (relay, RETRY if retries else FRESH, now)
        self._now = now
        self._limit = limit

    def perform(self, connection: sqlite3.Connection, /) -> Sequence[Begun]:
        begun: list[Begun] = []
        for _ in range(MOST_ROUNDS):
            wanted = self._limit - len(begun)
            found = connection.execute(
                statement("due_deliveries"), (*self._lane, wanted)
            ).fetchall()
            begun += self._begin(connection, found)
            if len(found) < wanted or len(begun) == self._limit:
                break
        return begun

    def undone(self, result: Sequence[Begun]) -> Sequence[Work[Any]]:
        return [Save(_lost(one.delivery, self._now)) for one in result]

    def _begin(
        self, connection: sqlite3.Connection, found: Sequence[tuple[Any, ...]]
    ) -> list[Begun]:
        changes, begun = [], []
        for row in found:
            delivery = self._read(connection, row)
            if delivery is None:
                continue
            change = self._step(delivery)
            changes.append(change)
            if change.after.leased_at is not None:
                begun.append(Begun(change.after, (row[10], row[11])))
        _write(connection, changes)
        return begun

    def _step(self, delivery: Delivery) -> Change:
        if delivery.expire_at <= self._now:
            return settle_open(delivery, _EXPIRED, self._now)
        return begin_attempt(delivery, self._now)

    def _read(
        self, connection: sqlite3.Connection, row: tuple[Any, ...]
    ) -> Delivery | None:
        try:
            return delivery_in(row)
        except UnreadableDelivery:
            _log.exception("a delivery can't be read and is put off", delivery=row[0])
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


def _write(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    rows = merged(rows_of_change(change) for change in changes)
    for name in ORDER:
        if name in rows:
            write_rows(connection, name, rows[name])
