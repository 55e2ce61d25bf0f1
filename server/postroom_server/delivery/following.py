"""One reader's way through the events: first what is stored, then what comes.

A reader that begins in the past reads the store by itself, a page at a time, until it
has reached the end; then it joins the watchers, reads what came between the two, and
waits.  So one that has much to catch up with costs the others nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from postroom_server.delivery.caller import Caller
from postroom_server.delivery.interest import Interest
from postroom_server.delivery.watching import (
    MOST_READ,
    Batch,
    EventHub,
    Position,
    Watcher,
)
from postroom_server.domain.clock import Clock, after
from postroom_server.domain.errors import InvalidToken
from postroom_server.outbox.event_pages import START, EventQuery
from postroom_server.outbox.store import Outbox

HEARTBEAT = 15.0
"""Seconds after which a stream says where it is, if nothing happened."""
SEARCH = 2.0
"""Seconds for which a pull reads what its filter leaves out, if it may wait no longer.
"""
MOST_TOLD = 100
"""Events told at once over a stream."""


class Start(Enum):
    """Where to begin without a position."""

    NOW = "now"
    BEGINNING = "beginning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reader of *tenant* wants: *interest*, from *start* on."""

    tenant: str
    interest: Interest
    start: Start | Position


@dataclass(frozen=True, slots=True)
class _Read:
    """What one read of the store found; *is_last*: nothing more was there."""

    batch: Batch
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Reads events for callers; *retention* is how long they are kept, in seconds."""

    outbox: Outbox
    hub: EventHub
    clock: Clock
    retention: float
    heartbeat: float = HEARTBEAT

    def stream(self, asked: Asked, caller: Caller, until: float) -> Iterator[Batch]:
        """Batches until monotonic *until*: the first at once, and one without events
        when there were none for so long.

        Raises `InvalidToken` for a position that is none of this store, `SlowConsumer`
        and `Draining`.
        """
        position = self._begin(asked)
        silent_until = -math.inf
        while True:
            read = self._read(asked, position)
            position = read.batch.position
            now = self.clock.monotonic()
            if read.batch.events or now >= silent_until:
                yield from _pieces(read.batch)
                silent_until = now + self.heartbeat
            if read.is_last:
                break
            if self._left(until) <= 0:
                return
        with self._joined(asked, position, caller) as watcher:
            while position.place < watcher.joined_at:
                read = self._read(asked, position)
                position = read.batch.position
                yield from _pieces(read.batch)
            watcher.pass_by(position)
            while (left := self._left(until)) > 0:
                batch = watcher.take(MOST_TOLD, min(left, self.heartbeat))
                if batch.events or left > self.heartbeat:
                    yield batch

    def pull(self, asked: Asked, caller: Caller, most: int, until: float) -> Batch:
        """Up to *most* events; with none there, the first that come until *until*.

        What a filter leaves out is read for a while alone: the position then says how
        far that was.  Raises as `stream` does.
        """
        position = self._begin(asked)
        searched_until = min(caller.limit, max(until, self.clock.monotonic() + SEARCH))
        while True:
            read = self._read(asked, position)
            position = read.batch.position
            if read.batch.events or self._left(searched_until) <= 0:
                return read.batch.first(most)
            if read.is_last:
                break
        if self._left(until) <= 0:
            return Batch((), position)
        with self._joined(asked, position, caller) as watcher:
            while position.place < watcher.joined_at:
                read = self._read(asked, position)
                position = read.batch.position
                if read.batch.events:
                    return read.batch.first(most)
            watcher.pass_by(position)
            return watcher.take(most, max(0.0, self._left(until)))

    @contextmanager
    def _joined(
        self, asked: Asked, position: Position, caller: Caller
    ) -> Iterator[Watcher]:
        with self.hub.joined(asked.tenant, asked.interest, position) as watcher:
            caller.on_leave(watcher.interrupt)
            yield watcher

    def _begin(self, asked: Asked) -> Position:
        now = self.clock.now()
        if asked.start is Start.BEGINNING:
            return Position(START, now)
        end = self.outbox.events_end()
        if asked.start is Start.NOW:
            return Position(end, now)
        if asked.start.place > end:
            # The store lost what it had then: places would be used a second time.
            raise InvalidToken("the cursor is of another store")
        return asked.start

    def _read(self, asked: Asked, position: Position) -> _Read:
        now = self.clock.now()
        oldest = after(now, -self.retention)
        page = self.outbox.events(
            EventQuery(
                after=position.place,
                tenant=asked.tenant,
                deliveries=asked.interest.deliveries,
                # What is older may be gone in part, and is not told in part.
                since=oldest,
                limit=MOST_READ,
            )
        )
        as_of = now
        if not page.is_last:
            last = page.events[-1].event.occurred_at if page.events else oldest
            as_of = max(last, position.as_of)
        wanted = tuple(filter(asked.interest.holds, page.events))
        return _Read(Batch(wanted, Position(page.place, as_of)), page.is_last)

    def _left(self, until: float) -> float:
        return until - self.clock.monotonic()


def _pieces(batch: Batch) -> Iterator[Batch]:
    """*batch* in parts of at most `MOST_TOLD` events; the last ends where it ends."""
    events = batch.events
    while len(events) > MOST_TOLD:
        yield Batch(events, batch.position).first(MOST_TOLD)
        events = events[MOST_TOLD:]
    yield Batch(events, batch.position)
