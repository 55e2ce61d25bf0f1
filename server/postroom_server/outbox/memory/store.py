"""An outbox in memory: every rule of `store` but that it outlives its process.

Everything is done under one mutex, so that each change is whole and in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.counters import NOTHING
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import NotReady
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.transitions import (
    Change,
    begin_attempt,
    expire,
)
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.event_pages import EventSource, Place, RecordedEvent
from postroom_server.outbox.memory.blobs import MemoryBlobs
from postroom_server.outbox.memory.looking import Looking, found_at
from postroom_server.outbox.memory.purging import purge
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.quotas import Quotas
from postroom_server.outbox.store import (
    Accepting,
    BlobTerms,
    Claimed,
    Content,
    OnSaved,
    RequestRecord,
    Retention,
)
from postroom_server.outbox.telling import tell

_TERMS = BlobTerms()
OnStored = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """An accept that was over before anybody asked."""

    used: RequestRecord | None

    def result(self) -> RequestRecord | None:
        return self.used

    def withdraw(self) -> None:
        """There is a result."""


class MemoryOutbox(Looking):
    """An `Outbox` on *state*, which another may be opened on later."""

    def __init__(
        self,
        state: MemoryState,
        clock: Clock,
        on_stored: OnStored = lambda _: None,
        terms: BlobTerms = _TERMS,
    ) -> None:
        super().__init__(state, clock)
        self.blobs = MemoryBlobs(state, clock, terms)
        self.pauses = state.pauses
        self.quotas = Quotas(state.quotas, clock.monotonic)
        self.hold = state.hold
        self._on_stored = on_stored
        self._closed = False

    def accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        *,
        patience: float = math.inf,
    ) -> RequestRecord | None:
        """Store a new delivery; see `Outbox.accept`."""
        del patience
        with self._state.mutex:
            self._refuse_if_closed()
            delivery = change.after
            used = self.remember(request) if request is not None else None
            if used is not None:
                return used
            try:
                self._add(delivery, content)
            except Exception:
                if request is not None:
                    del self._state.requests[request.tenant, request.request_id]
                raise
            self._record(change)
        self._tell(change)
        return None

    def begin_accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        on_end: Callable[[Accepting], object],
        *,
        patient: bool = False,  # noqa: ARG002  nothing is waited for
    ) -> Accepting:
        """Store a new delivery; see `Outbox.begin_accept`."""
        ended = _Ended(self.accept(change, content, request))
        on_end(ended)
        return ended

    def claim(
        self, relay: str, now: Instant, wanted: Mapping[LaneKey, int]
    ) -> Sequence[Claimed]:
        """Begin attempts on what is due; see `Outbox.claim`."""
        changes: list[Change] = []
        with self._state.mutex:
            self._refuse_if_closed()
            if self.hold.now() is not None:
                return ()
            for lane, limit in wanted.items():
                changes += self._taken(relay, lane, now, limit)
        for change in changes:
            self._tell(change)
        return [
            Claimed(c.after, self.content(c.after.id))
            for c in changes
            if c.after.leased_at is not None
        ]

    def save(
        self,
        change: Change,
        *,
        request: RequestRecord | None = None,
        forget_request: bool = False,
        patience: float = math.inf,
    ) -> bool:
        """Store a change; see `Outbox.save`."""
        del patience
        with self._state.mutex:
            self._refuse_if_closed()
            before = change.before
            stored = self._state.deliveries.get(before.id)
            if stored == change.after:
                return True
            if stored is None or stored.version != before.version:
                return False
            if request is not None and self.remember(request) is not None:
                return False
            if forget_request:
                self._free_request(before)
            self._record(change)
        self._tell(change)
        return True

    def begin_save(self, change: Change, on_end: OnSaved) -> None:
        """Store a change; see `Outbox.begin_save`."""
        on_end(self.save(change))

    def begin_commit(self) -> None:
        """All is stored at once; see `Outbox.begin_commit`."""

    def remember(self, request: RequestRecord) -> RequestRecord | None:
        """Use a request id without a change; see `Outbox.remember`."""
        key = (request.tenant, request.request_id)
        with self._state.mutex:
            self._refuse_if_closed()
            used = self._state.request(key, self._clock.now())
            if used is None:
                self._state.requests[key] = request
            return used

    def purge(self, now: Instant, retention: Retention) -> int:
        """Remove what is past its time; see `Outbox.purge`."""
        return purge(self._state, now, retention)

    def finish(self) -> None:
        """Store no more; what is held stays with the state."""
        self.quotas.close()
        self._closed = True

    def close(self) -> None:
        """There is nothing else to let go of."""
        self.finish()

    def _taken(
        self, relay: str, lane: LaneKey, now: Instant, limit: int
    ) -> Sequence[Change]:
        changes: list[Change] = []
        for delivery in self._lane(relay, lane):
            begun = sum(c.after.leased_at is not None for c in changes)
            if found_at(delivery) > now or begun == limit:
                break
            changes.append(_step(delivery, now))
            self._record(changes[-1])
        return changes

    def _add(self, delivery: Delivery, content: Content) -> None:
        state = self._state
        if delivery.id in state.deliveries:
            raise RowRefused("the id is used")
        self.blobs.secure(delivery.tenant, content.message)
        state.contents[delivery.id] = content
        keys = (address.key for address in content.message.recipients())
        state.recipients[delivery.id] = frozenset(keys)

    def _record(self, change: Change) -> None:
        state, after_ = self._state, change.after
        state.deliveries[after_.id] = after_
        key = (after_.relay, after_.tenant)
        state.counters[key] = state.counters.get(key, NOTHING) + change.counters
        source = _source(after_)
        for event in change.events:
            state.last_event += 1
            sequence = state.sequences[after_.id] = (
                state.sequences.get(after_.id, 0) + 1
            )
            place = Place(0, state.last_event)
            state.events.append(RecordedEvent(place, sequence, event, source))

    def _free_request(self, made: Delivery) -> None:
        key = (made.tenant, made.request_id)
        record = self._state.requests.get(key)
        if record is not None and record.delivery_id == made.id:
            del self._state.requests[key]

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise NotReady("the store is closed")

    def _tell(self, change: Change) -> None:
        try:
            self._on_stored(change)
        except Exception:  # noqa: BLE001  what is stored is stored, whoever fails
            tell("exception", "outbox.listener_failed", delivery=change.after.id)


def _step(delivery: Delivery, now: Instant) -> Change:
    if delivery.expire_at <= now:
        return expire(delivery, now)
    return begin_attempt(delivery, now)


def _source(delivery: Delivery) -> EventSource:
    return EventSource(
        delivery_id=delivery.id,
        tenant=delivery.tenant,
        relay=delivery.relay,
        message_id=delivery.message_id,
        request_id=delivery.request_id,
        trace_id=delivery.trace_id,
        metadata=delivery.metadata,
        tags=delivery.tags,
    )
