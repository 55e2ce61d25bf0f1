"""What callers ask of an outbox in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.counters import NOTHING, Counters
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Completion
from postroom_server.outbox.event_pages import EventPage, EventQuery, Place
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.store import (
    Content,
    DeliveryQuery,
    QueueDepth,
    RequestRecord,
)


class Looking:
    """The methods of `Outbox` that change nothing."""

    def __init__(self, state: MemoryState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        if state.created_at is None:
            state.created_at = clock.now()
        self._leased_at_open = [
            d for d in state.deliveries.values() if d.leased_at is not None
        ]

    @property
    def is_shared(self) -> bool:
        """Whether other processes may be at it; see `Outbox.is_shared`."""
        return False

    def listen(self, on_due: Callable[[str], None]) -> None:
        """Nobody else makes mail due; see `Outbox.listen`."""

    @property
    def created_at(self) -> Instant:
        """When this store was made."""
        assert self._state.created_at is not None
        return self._state.created_at

    @property
    def epoch(self) -> str:
        """What tells the order of this store's events from every other."""
        return self._state.epoch

    @property
    def secret(self) -> bytes:
        """Random octets of this store, for keys."""
        return self._state.epoch.encode()

    def get(self, tenant: str, delivery_id: str) -> Delivery | None:
        """The delivery, or None if the tenant has none of that id."""
        found = self._state.deliveries.get(delivery_id)
        return found if found is not None and found.tenant == tenant else None

    def find(self, tenant: str, request_id: str) -> RequestRecord | None:
        """What *request_id* was used for, or None if it is free or expired."""
        return self._state.request((tenant, request_id), self._clock.now())

    def content(self, delivery_id: str) -> Content | None:
        """What the delivery is composed from; None when it was purged."""
        return self._state.contents.get(delivery_id)

    def list(self, query: DeliveryQuery) -> Sequence[Delivery]:
        """Deliveries, newest acceptance first (ties: by id, falling)."""
        found = [d for d in self._all() if self._is_asked_for(d, query)]
        return tuple(sorted(found, key=_age, reverse=True)[: query.limit])

    def leased(self) -> Sequence[Delivery]:
        """Deliveries whose attempt was under way when the store was opened."""
        present = self._state.deliveries
        return [d for d in self._leased_at_open if present.get(d.id) == d]

    def holds(self, delivery: Delivery) -> bool:
        """Whether the attempt under way is ours still; see `Outbox.holds`."""
        return delivery.leased_at is not None

    def next_due(self, relay: str, lane: LaneKey) -> Instant | None:
        """When the first delivery of *lane* is due, past or to come."""
        held = self._state.hold.now() is not None
        return None if held else self.lanes(relay).get(lane)

    def lanes(self, relay: str) -> Mapping[LaneKey, Instant]:
        """The lanes that have something in them, and when their first is due."""
        found: dict[LaneKey, Instant] = {}
        for delivery in self._queue(relay):
            if delivery.due_at is not None:
                due_at = found_at(delivery)
                first = found.get(delivery.lane, due_at)
                found[delivery.lane] = min(first, due_at)
        return found

    def waiting(self, completion: Completion) -> Sequence[Delivery]:
        """Deliveries of that completion, neither final nor under way, oldest first."""
        found = [
            d
            for d in self._all()
            if d.plan.completion is completion
            and d.settled_at is None
            and d.leased_at is None
        ]
        return sorted(found, key=_age)

    def live(
        self,
        accepted_before: Instant,
        after: tuple[Instant, str] | None,
        limit: int,
    ) -> Sequence[Delivery]:
        """Deliveries that are not final, oldest first; see `Outbox.live`."""
        place = after or (Instant(0), "")
        found = [
            d
            for d in self._all()
            if d.settled_at is None
            and d.accepted_at < accepted_before
            and _age(d) > place
        ]
        return sorted(found, key=_age)[:limit]

    def events(self, query: EventQuery) -> EventPage:
        """The next events in their order; see `Outbox.events`."""
        with self._state.mutex:
            found = [
                e
                for e in self._state.events
                if e.place > query.after
                and query.tenant in {"", e.source.tenant}
                and (not query.deliveries or e.source.delivery_id in query.deliveries)
                and e.event.occurred_at >= query.since
            ][: query.limit]
            end = self.events_end()
        is_last = len(found) < query.limit
        place = end if is_last else found[-1].place
        return EventPage(tuple(found), max(place, query.after), is_last)

    def events_end(self) -> Place:
        """The place after all events that can be read now."""
        return Place(0, self._state.last_event)

    def counters(self, relay: str = "") -> Counters:
        """All that was ever counted, of *relay* or of all."""
        return _sum(self._counted(relay))

    def counters_by_tenant(
        self, relay: str = "", *, tenant: str = "", most: int = 100
    ) -> Mapping[str, Counters]:
        """The same for each tenant, or for *tenant*; of many those with most mail."""
        whose = {t for _, t in self._state.counters if tenant in {"", t}}
        found = {t: _sum(self._counted(relay, t)) for t in whose}
        most_mail = sorted(found, key=lambda t: (-found[t].accepted, t))
        return {t: found[t] for t in most_mail[:most] if found[t]}

    def depth(self, now: Instant, relay: str = "") -> QueueDepth:
        """The queue, of *relay* or of all."""
        return _depth(self._queue(relay), now)

    def depth_by_tenant(
        self, now: Instant, relay: str = "", *, tenant: str = ""
    ) -> Mapping[str, QueueDepth]:
        """The same for each tenant that has something in it, or for *tenant*."""
        queue = self._queue(relay)
        tenants = {d.tenant for d in queue if tenant in {"", d.tenant}}
        return {t: _depth([d for d in queue if d.tenant == t], now) for t in tenants}

    def _all(self) -> Sequence[Delivery]:
        with self._state.mutex:
            return list(self._state.deliveries.values())

    def _queue(self, relay: str) -> Sequence[Delivery]:
        return [
            d
            for d in self._all()
            if relay in {"", d.relay}
            and (d.due_at is not None or d.leased_at is not None)
        ]

    def _lane(self, relay: str, lane: LaneKey) -> Sequence[Delivery]:
        found = [
            d
            for d in self._all()
            if d.relay == relay and d.due_at is not None and d.lane == lane
        ]
        return sorted(found, key=lambda d: (found_at(d), d.id))

    def _counted(self, relay: str, tenant: str = "") -> Iterable[Counters]:
        with self._state.mutex:
            return [
                counted
                for (by_relay, by_tenant), counted in self._state.counters.items()
                if relay in {"", by_relay} and tenant in {"", by_tenant}
            ]

    def _is_asked_for(self, delivery: Delivery, query: DeliveryQuery) -> bool:
        keys = self._state.recipients.get(delivery.id, frozenset())
        after, before = query.accepted_from, query.accepted_before
        return (
            delivery.tenant == query.tenant
            and (not query.statuses or delivery.status in query.statuses)
            and query.relay in {"", delivery.relay}
            and query.message_id in {"", delivery.message_id}
            and (not query.recipient or query.recipient in keys)
            and (not query.tag or query.tag in delivery.tags)
            and all(pair in delivery.metadata for pair in query.metadata)
            and (after is None or delivery.accepted_at >= after)
            and (before is None or delivery.accepted_at < before)
            and (query.before is None or _age(delivery) < query.before)
        )


def found_at(delivery: Delivery) -> Instant:
    """When a waiting delivery is looked at: what expires before its time, then."""
    assert delivery.due_at is not None
    return min(delivery.due_at, delivery.expire_at)


def _age(delivery: Delivery) -> tuple[Instant, str]:
    return (delivery.accepted_at, delivery.id)


def _sum(counted: Iterable[Counters]) -> Counters:
    return sum(counted, start=NOTHING)


def _depth(queue: Sequence[Delivery], now: Instant) -> QueueDepth:
    waits = [found_at(d) for d in queue if d.due_at is not None]
    due = [at for at in waits if at <= now]
    sending = sum(d.leased_at is not None for d in queue)
    later = [
        d.lane.retries for d in queue if d.due_at is not None and found_at(d) > now
    ]
    return QueueDepth(
        due=len(due),
        scheduled=later.count(False),
        retrying=later.count(True),
        sending=sending,
        oldest_due_at=min(due, default=None),
    )
