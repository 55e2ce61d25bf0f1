"""What callers ask of the store: the reading half of the outbox.

Answers are of what was last committed, and never wait for a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.delivery import Delivery, DeliveryStatus
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Completion
from postroom_server.outbox.content import Find, decode_content
from postroom_server.outbox.event_log import EventLog
from postroom_server.outbox.event_pages import EventPage, EventQuery, Place
from postroom_server.outbox.listing import listing, narrowest
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.records import UnreadableDelivery, delivery_in
from postroom_server.outbox.remembering import Remembered
from postroom_server.outbox.rows import lane_number, lane_of
from postroom_server.outbox.statements import statement
from postroom_server.outbox.store import (
    Content,
    DeliveryQuery,
    QueueDepth,
    RequestRecord,
)
from postroom_server.outbox.telling import tell
from postroom_server.outbox.works import record_in

Row = tuple[Any, ...]
Rows = list[Row]
_WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.RETRY)
_LIVE = (*_WAITING, DeliveryStatus.SENDING)


class Reading:
    """The methods of `Outbox` that change nothing."""

    def __init__(self, readers: Readers, clock: Clock, find: Find) -> None:
        self._readers = readers
        self._find = find
        self._clock = clock
        self._depths = Remembered[Mapping[str, QueueDepth]](clock.monotonic)
        ((self._epoch, created_at, _),) = self._rows("identity")
        self._secret = str(self._epoch).encode()
        self._event_log = EventLog(readers)
        self._created_at = Instant(created_at)
        self._leased_at_open = self._rows(
            "versions_of_leased", int(DeliveryStatus.SENDING)
        )

    @property
    def is_shared(self) -> bool:
        """Whether other processes may be at it; see `Outbox.is_shared`."""
        return False

    def listen(self, on_due: Callable[[str], None]) -> None:
        """Nobody else makes mail due; see `Outbox.listen`."""

    @property
    def created_at(self) -> Instant:
        """When this store was made."""
        return self._created_at

    @property
    def epoch(self) -> str:
        """What tells the order of this store's events from every other."""
        return str(self._epoch)

    def events(self, query: EventQuery) -> EventPage:
        """The next events in their order; see `Outbox.events`."""
        return self._event_log.read(query)

    def events_end(self) -> Place:
        """The place after all events that can be read now."""
        return self._event_log.end()

    @property
    def secret(self) -> bytes:
        """Random octets of this store, for keys."""
        return self._secret

    def get(self, tenant: str, delivery_id: str) -> Delivery | None:
        """The delivery, or None if the tenant has none of that id."""
        rows = self._rows("delivery", delivery_id, tenant)
        return delivery_in(rows[0]) if rows else None

    def find(self, tenant: str, request_id: str) -> RequestRecord | None:
        """What *request_id* was used for, or None if it is free or expired."""
        rows = self._rows("request", tenant, request_id, self._clock.now())
        return record_in(rows[0]) if rows else None

    def content(self, delivery_id: str) -> Content | None:
        """What the delivery is composed from; None when it was purged."""
        rows = self._rows("content", delivery_id)
        return self._decoded(*rows[0]) if rows else None

    def list(self, query: DeliveryQuery) -> Sequence[Delivery]:
        """Deliveries, newest acceptance first (ties: by id, falling)."""
        with self._readers.lend() as connection:
            sql, values = listing(query, narrowest(connection, query))
            rows = connection.execute(sql, values).fetchall()
        return tuple(readable(rows))

    def leased(self) -> Sequence[Delivery]:
        """Deliveries whose attempt was under way when the store was opened."""
        found = []
        for delivery_id, version in self._leased_at_open:
            rows = self._rows("delivery_by_id", delivery_id)
            found += [d for d in readable(rows) if d.version == version]
        return found

    def holds(self, delivery: Delivery) -> bool:
        """Whether the attempt under way is ours still; see `Outbox.holds`."""
        return delivery.leased_at is not None

    def next_due(self, relay: str, lane: LaneKey) -> Instant | None:
        """When the first delivery of *lane* is due, past or to come."""
        rows = self._rows("next_due", relay, lane_number(lane), lane.tenant)
        return Instant(rows[0][0]) if rows else None

    def lanes(self, relay: str) -> Mapping[LaneKey, Instant]:
        """The lanes that have something in them, and when their first is due."""
        rows = self._named_rows("lanes", {"relay": relay})
        return {lane_of(number, tenant): Instant(due) for number, tenant, due in rows}

    def waiting(self, completion: Completion) -> Sequence[Delivery]:
        """Deliveries of that completion, neither final nor under way, oldest first."""
        found = [
            delivery
            for status in _WAITING
            for delivery in readable(
                self._rows("live_deliveries", int(status), int(completion))
            )
        ]
        return sorted(found, key=lambda d: (d.accepted_at, d.id))

    def live(
        self,
        accepted_before: Instant,
        after: tuple[Instant, str] | None,
        limit: int,
    ) -> Sequence[Delivery]:
        """Deliveries that are not final, oldest first; see `Outbox.live`."""
        place = after or (Instant(0), "")
        found = [
            delivery
            for status in _LIVE
            for delivery in readable(
                self._rows("live_after", int(status), accepted_before, *place, limit)
            )
        ]
        return sorted(found, key=lambda d: (d.accepted_at, d.id))[:limit]

    def counters(self, relay: str = "") -> Counters:
        """All that was ever counted, of *relay* or of all."""
        name, values = ("counters_of_relay", (relay,)) if relay else ("counters", ())
        return Counters(**dict(self._rows(name, *values)))

    def counters_by_tenant(
        self, relay: str = "", *, tenant: str = "", most: int = 100
    ) -> Mapping[str, Counters]:
        """The same for each tenant, or for *tenant*; of many those with most mail."""
        values = {"relay": relay, "tenant": tenant, "most": most}
        found: dict[str, dict[str, int]] = {}
        for whose, name, value in self._named_rows("counters_by_tenant", values):
            found.setdefault(whose, {})[name] = value
        return {whose: Counters(**counts) for whose, counts in found.items()}

    def depth(self, now: Instant, relay: str = "") -> QueueDepth:
        """The queue, of *relay* or of all."""
        depths = self.depth_by_tenant(now, relay).values()
        oldest = (d.oldest_due_at for d in depths if d.oldest_due_at is not None)
        return QueueDepth(
            due=sum(d.due for d in depths),
            scheduled=sum(d.scheduled for d in depths),
            retrying=sum(d.retrying for d in depths),
            sending=sum(d.sending for d in depths),
            oldest_due_at=min(oldest, default=None),
        )

    def depth_by_tenant(
        self, now: Instant, relay: str = "", *, tenant: str = ""
    ) -> Mapping[str, QueueDepth]:
        """The same for each tenant that has something in it, or for *tenant*.

        Counting a million takes a third of a second, so that of a long queue this may
        be some seconds old.
        """

        def counted() -> Mapping[str, QueueDepth]:
            sending = int(DeliveryStatus.SENDING)
            values = {"now": now, "relay": relay, "tenant": tenant, "sending": sending}
            rows = self._named_rows("depth_by_tenant", values)
            return {whose: QueueDepth(*row) for whose, *row in rows}

        return self._depths.get((relay, tenant), counted)

    def _named_rows(self, name: str, values: Mapping[str, object]) -> Rows:
        with self._readers.lend() as connection:
            rows: Rows = connection.execute(statement(name), values).fetchall()
        return rows

    def _decoded(self, form: int, data: bytes) -> Content | None:
        return decode_content(form, data, self._find)

    def _rows(self, name: str, *values: object) -> Rows:
        with self._readers.lend() as connection:
            rows: Rows = connection.execute(statement(name), values).fetchall()
        return rows


def readable(rows: Iterable[Row]) -> Iterator[Delivery]:
    """Those that can be read: one damaged row must not hide the others."""
    for row in rows:
        try:
            yield delivery_in(row)
        except UnreadableDelivery:
            tell("exception", "outbox.unreadable", delivery=row[0])
