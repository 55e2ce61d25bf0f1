"""The events that come, told to whoever watches: one reads, all hear.

One thread, "postroom-events", reads the store when something was stored there (and now
and then, since another process may have written it), and hands what it read to the
watchers that want it.  Without watchers it reads nothing.

A watcher has room for `ROOM` events.  One that does not take them is cut off and told
so: what is slow costs memory nobody else's, and misses nothing, because it goes on
from its last place with reads of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from postroom_server.delivery.interest import Interest
from postroom_server.domain.clock import Clock, Instant, seconds_between
from postroom_server.domain.errors import Draining, PostroomError, SlowConsumer
from postroom_server.outbox.event_pages import (
    START,
    EventQuery,
    Place,
    RecordedEvent,
)
from postroom_server.outbox.store import Outbox

ROOM = 1000
"""Events that wait for one watcher, at most."""
MOST_READ = 500
"""Events of one read."""
POLL = 1.0
"""Seconds after which the thread looks without having been told to."""
ONCE_MORE = 0.1
"""The same after it was told to: what was stored may be told of a little later, where
another process is still about to store what comes before it."""
PAUSE = 0.005
"""Seconds between two reads, at least: what comes meanwhile is read together."""
TROUBLED_PAUSE = 1.0
"""Seconds until the next read after one that failed."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """A place, and until when everything before it was seen: what is kept longer than
    from *as_of* on, a reader that goes on there does not miss.
    """

    place: Place
    as_of: Instant


@dataclass(frozen=True, slots=True)
class Batch:
    """Events, and the position after them."""

    events: tuple[RecordedEvent, ...]
    position: Position

    def first(self, most: int) -> Batch:
        """The first *most* of the events, as a batch of their own."""
        if len(self.events) <= most:
            return self
        return Batch(self.events[:most], position_of(self.events[most - 1]))


def position_of(event: RecordedEvent) -> Position:
    """The position after *event*."""
    return Position(event.place, event.event.occurred_at)


@dataclass(frozen=True, slots=True)
class WatchReading:
    """How many watch, for how long the newest event waits to be told (seconds), and
    how many were cut off since the start.
    """

    watchers: int
    lag: float
    cut_off: int


@dataclass(slots=True, eq=False)
class _Seat:
    """A watcher's place among the others; the hub's lock guards it.

    *signal* is set when the watcher is to look: by one who may not wait for a lock too.
    """

    tenant: str
    interest: Interest
    signal: threading.Event = field(default_factory=threading.Event)
    waiting: deque[RecordedEvent] = field(default_factory=deque)
    is_cut_off: bool = False

    def offer(self, event: RecordedEvent) -> bool:
        """Take *event* if it is wanted; False: that was one too many."""
        if self.is_cut_off or not self.interest.holds(event):
            return True
        if len(self.waiting) < ROOM:
            self.waiting.append(event)
        else:
            self.is_cut_off = True
            self.waiting.clear()
        self.signal.set()
        return not self.is_cut_off

    def skip(self, place: Place) -> None:
        """Drop what comes before *place*."""
        while self.waiting and self.waiting[0].place <= place:
            self.waiting.popleft()


class Watcher:
    """What one reader hears, for its thread; *joined_at* is where that begins."""

    def __init__(self, hub: EventHub, seat: _Seat, position: Position) -> None:
        self._hub = hub
        self._seat = seat
        self._position = position
        self._interrupted = False
        self.joined_at = hub.position.place

    def pass_by(self, position: Position) -> None:
        """The reader was told by other means what comes before *position*."""
        self._position = position

    def interrupt(self) -> None:
        """Nobody reads any more: `take` waits no longer.  Never blocks."""
        self._interrupted = True
        self._seat.signal.set()

    def take(self, most: int, timeout: float) -> Batch:
        """Up to *most* events, as soon as there is one; none after *timeout* seconds.

        Raises `SlowConsumer` when the watcher was cut off, and `Draining`.
        """
        ends_at = time.monotonic() + timeout
        while True:
            batch = self._taken(most)
            left = ends_at - time.monotonic()
            if batch.events or self._interrupted or left <= 0:
                return batch
            self._seat.signal.wait(left)

    def _taken(self, most: int) -> Batch:
        seat, hub = self._seat, self._hub
        with hub.lock:
            seat.signal.clear()
            if seat.is_cut_off:
                raise SlowConsumer
            # What the reader was told before it joined may have come this way too.
            seat.skip(self._position.place)
            waiting = seat.waiting
            events = tuple(waiting.popleft() for _ in range(min(most, len(waiting))))
            if not events and hub.closed:
                raise Draining("this server is shutting down")
            known = position_of(events[-1]) if waiting else hub.position
            self._position = max(self._position, known, key=_place)
        return Batch(events, self._position)


class EventHub:
    """Tells watchers what comes; *news* is set when something was stored."""

    def __init__(self, outbox: Outbox, clock: Clock, news: threading.Event) -> None:
        self._outbox = outbox
        self._clock = clock
        self._news = news
        self.lock = threading.Lock()
        self._joined = threading.Condition(self.lock)
        self._seats: dict[str, set[_Seat]] = {}
        self._watchers = 0
        self._cut_off = 0
        self._stop = threading.Event()
        self._is_troubled = False
        self.position = Position(START, Instant(0))
        self._thread = threading.Thread(
            target=self._run, name="postroom-events", daemon=True
        )

    @property
    def closed(self) -> bool:
        """Whether nothing more is told."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin to read, as soon as somebody watches."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what was read, and no more: watchers end with `Draining`."""
        self._stop.set()
        self._news.set()
        with self.lock:
            self._joined.notify_all()
            for seat in self._all():
                seat.signal.set()

    def close(self) -> None:
        """The same, and wait for the thread."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def joined(
        self, tenant: str, interest: Interest, position: Position
    ) -> Iterator[Watcher]:
        """A watcher for the time of the block, to whom all before *position* is known.

        Where that is before the watcher's `joined_at`, what is between the two is the
        reader's to read.
        """
        seat = _Seat(tenant, interest)
        with self.lock:
            if not self._watchers:
                # Nobody was told anything: the thread begins where this one is.
                self.position = position
            watcher = Watcher(self, seat, position)
            self._seats.setdefault(tenant, set()).add(seat)
            self._watchers += 1
            self._joined.notify()
        # Something may have come since the reader looked.
        self._news.set()
        try:
            yield watcher
        finally:
            with self.lock:
                self._leave(seat)

    def reading(self) -> WatchReading:
        """How it goes, now."""
        with self.lock:
            lag = 0.0
            if self._watchers:
                lag = seconds_between(self.position.as_of, self._clock.now())
            return WatchReading(self._watchers, max(0.0, lag - POLL), self._cut_off)

    def _leave(self, seat: _Seat) -> None:
        seats = self._seats[seat.tenant]
        seats.discard(seat)
        if not seats:
            del self._seats[seat.tenant]
        self._watchers -= 1

    def _run(self) -> None:
        told = False
        while self._wait_for_watchers():
            told = self._news.wait(ONCE_MORE if told else POLL)
            self._news.clear()
            try:
                self._read_on()
            except PostroomError as error:
                self._trouble(error)
                self._stop.wait(TROUBLED_PAUSE)
            except Exception:  # noqa: BLE001  the thread must outlive any defect
                _log.exception("events.defect")
                self._stop.wait(TROUBLED_PAUSE)

    def _wait_for_watchers(self) -> bool:
        with self.lock:
            self._joined.wait_for(lambda: self._watchers or self.closed)
        return not self.closed

    def _read_on(self) -> None:
        while not self.closed:
            start, now = self.position, self._clock.now()
            page = self._outbox.events(EventQuery(after=start.place, limit=MOST_READ))
            last = page.events[-1].event.occurred_at if page.events else start.as_of
            self._tell(
                start, page.events, Position(page.place, now if page.is_last else last)
            )
            self._is_troubled = False
            if page.is_last:
                self._stop.wait(PAUSE)
                return

    def _tell(
        self, start: Position, events: tuple[RecordedEvent, ...], end: Position
    ) -> None:
        with self.lock:
            if self.position is not start:
                # All had left, and others came, who begin elsewhere.
                return
            for event in events:
                for seat in self._seats.get(event.source.tenant, ()):
                    if not seat.offer(event):
                        self._cut_off += 1
            self.position = end

    def _trouble(self, error: PostroomError) -> None:
        if not self._is_troubled:
            _log.warning("events.store_unavailable", reason=error.reason)
        self._is_troubled = True

    def _all(self) -> Iterator[_Seat]:
        for seats in self._seats.values():
            yield from seats


def _place(position: Position) -> Place:
    return position.place
