"""The hub: one reads, all hear; who is too slow is cut off and misses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from postroom_server.delivery import watching
from postroom_server.delivery.following import Asked, Following, Start
from postroom_server.delivery.interest import Interest
from postroom_server.delivery.watching import EventHub, Position
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.errors import (
    Draining,
    InvalidToken,
    NotReady,
    SlowConsumer,
)
from postroom_server.domain.events import Event, EventKind
from postroom_server.outbox.event_pages import (
    START,
    EventPage,
    EventSource,
    Place,
    RecordedEvent,
)

from tests.support.builders import NOW, SECOND
from tests.support.clocks import FakeClock
from tests.support.pools import wait_until

SOON = 20.0
"""Seconds that a wait of a test may take: enough for a loaded machine."""
ALL = Interest()


class Stored:
    """The events of a store, as `Outbox` gives them; *reads* are those of all."""

    def __init__(self) -> None:
        self.events_stored: list[RecordedEvent] = []
        self.news = threading.Event()
        self.reads = 0
        self.away = False
        self.before_read = lambda: None

    def add(self, count: int = 1, tenant: str = "a", **fields) -> None:
        """More events of *tenant*."""
        for _ in range(count):
            self.events_stored.append(self._event(tenant, fields))
        self.news.set()

    def events(self, query) -> EventPage:
        if not query.tenant:
            self.before_read()
            self.reads += 1
        if self.away:
            raise NotReady("away")
        # What is added meanwhile is after the end that is told.
        end = self.events_end()
        found = [
            e
            for e in self.events_stored
            if query.after < e.place <= end and query.tenant in {"", e.source.tenant}
        ]
        page = tuple(found[: query.limit])
        is_last = len(found) < query.limit
        place = end if is_last else page[-1].place
        return EventPage(page, max(place, query.after), is_last)

    def events_end(self) -> Place:
        return Place(0, len(self.events_stored))

    def _event(self, tenant, fields) -> RecordedEvent:
        number = len(self.events_stored) + 1
        event = Event(
            kind=EventKind.ACCEPTED,
            occurred_at=Instant(NOW + number),
            status=DeliveryStatus.QUEUED,
        )
        source = {"relay": "main", "message_id": "", "request_id": "", **fields}
        return RecordedEvent(
            Place(0, number),
            number,
            event,
            EventSource(delivery_id=str(number), tenant=tenant, **source),
        )


class Reader:
    """Someone who asks, and may leave."""

    limit = 1e9

    def __init__(self) -> None:
        self.leave = lambda: None

    def on_leave(self, callback) -> None:
        self.leave = callback


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW + SECOND)


@pytest.fixture
def hub(stored, clock, monkeypatch) -> Iterator[EventHub]:
    monkeypatch.setattr(watching, "TROUBLED_PAUSE", 0.01)
    hub = EventHub(stored, clock, stored.news)
    hub.start()
    yield hub
    hub.close()


@pytest.fixture
def following(stored, hub, clock) -> Following:
    return Following(outbox=stored, hub=hub, clock=clock, retention=1e6)


@contextmanager
def joined(hub, stored, tenant="a", interest=ALL):
    position = Position(stored.events_end(), NOW)
    with hub.joined(tenant, interest, position) as watcher:
        yield watcher


def numbers(batch) -> list[int]:
    return [event.place.number for event in batch.events]


def taken(watcher, count) -> list[int]:
    """The numbers of the next *count* events."""
    found: list[int] = []
    while len(found) < count:
        batch = watcher.take(100, SOON)
        assert batch.events
        found += numbers(batch)
    return found


def asked(start=Start.BEGINNING, **interest) -> Asked:
    return Asked(tenant="a", interest=Interest(**interest), start=start)


def test_a_watcher_hears_what_comes_after_it_joined(hub, stored):
    stored.add(3)
    with joined(hub, stored) as watcher:
        stored.add(2)

        assert taken(watcher, 2) == [4, 5]


def test_without_watchers_nothing_is_read(hub, stored):
    stored.add(3)
    with joined(hub, stored) as watcher:
        stored.add()
        taken(watcher, 1)
    # Its thread may have begun to look once more before the last one left.
    wait_until(lambda: hub._joined._waiters)
    reads = stored.reads
    stored.add(3)

    assert hub.reading().watchers == 0
    assert stored.reads == reads


def test_each_event_is_read_once_for_all(hub, stored):
    with ExitStack() as stack:
        watchers = [stack.enter_context(joined(hub, stored)) for _ in range(30)]
        before = stored.reads
        stored.add(10)

        assert [taken(watcher, 10) for watcher in watchers] == [[*range(1, 11)]] * 30
        assert stored.reads - before < 30


def test_a_tenant_hears_its_own_alone_and_its_place_moves_on(hub, stored):
    with joined(hub, stored, "a") as ours, joined(hub, stored, "b") as theirs:
        stored.add(5, tenant="b")
        taken(theirs, 5)
        nothing = ours.take(100, 0.0)

        assert nothing.events == ()
        assert nothing.position.place == Place(0, 5)


def test_what_a_watcher_does_not_want_takes_no_room(hub, stored, monkeypatch):
    monkeypatch.setattr(watching, "ROOM", 2)
    with joined(hub, stored, interest=Interest(tags=frozenset("x"))) as watcher:
        stored.add(50)
        stored.add(1, tags=("x",))

        assert taken(watcher, 1) == [51]


def test_a_watcher_that_does_not_take_is_cut_off_and_the_others_are_not(
    hub, stored, monkeypatch
):
    monkeypatch.setattr(watching, "ROOM", 10)
    with joined(hub, stored) as slow, joined(hub, stored) as quick:
        heard: list[int] = []
        while len(heard) < 30:
            stored.add(5)
            heard += taken(quick, 5)
        with pytest.raises(SlowConsumer):
            slow.take(100, SOON)

        assert heard == [*range(1, 31)]
        assert hub.reading().cut_off == 1


def test_the_position_of_a_part_is_after_its_last_event(hub, stored):
    with joined(hub, stored) as watcher:
        stored.add(3)
        taken_first = watcher.take(2, SOON)
        while len(taken_first.events) < 2:
            taken_first = watcher.take(2, SOON)

        assert taken_first.position.place == taken_first.events[-1].place


def test_what_was_told_by_other_means_does_not_come_again(hub, stored):
    with joined(hub, stored) as watcher:
        stored.add(4)
        watcher.pass_by(Position(Place(0, 3), NOW))

        assert taken(watcher, 1) == [4]


def test_a_reader_that_leaves_waits_no_longer(hub, stored):
    with joined(hub, stored) as watcher:
        threading.Timer(0.01, watcher.interrupt).start()

        assert watcher.take(100, SOON).events == ()


def test_a_hub_that_stops_tells_what_it_read_and_then_that_it_ends(hub, stored):
    with joined(hub, stored) as watcher, joined(hub, stored) as other:
        stored.add(2)
        taken(other, 2)
        hub.stop()

        assert numbers(watcher.take(100, SOON)) == [1, 2]
        with pytest.raises(Draining):
            watcher.take(100, SOON)


def test_a_store_that_was_away_is_read_on(hub, stored):
    with joined(hub, stored) as watcher:
        stored.away = True
        stored.add(2)
        assert watcher.take(100, 0.05).events == ()
        stored.away = False

        assert taken(watcher, 2) == [1, 2]


def test_a_stream_catches_up_and_goes_on(following, stored):
    stored.add(1234)
    stream = following.stream(asked(), Reader(), 1e9)
    found: list[int] = []
    while len(found) < 1234:
        found += numbers(next(stream))
    stored.add(2)
    while len(found) < 1236:
        found += numbers(next(stream))
    stream.close()

    assert found == [*range(1, 1237)]


def test_what_comes_between_catching_up_and_joining_is_told_once(following, stored):
    stored.add(3)
    other = following.stream(asked(Start.NOW), Reader(), 1e9)
    next(other)
    stored.add(1)
    assert numbers(next(other)) == [4]
    stream = following.stream(asked(), Reader(), 1e9)
    found = numbers(next(stream))
    # It has read all that there is, and has not joined: the hub goes on without it.
    stored.add(5)
    seen: list[int] = []
    while len(seen) < 5:
        seen += numbers(next(other))
    while len(found) < 9:
        found += numbers(next(stream))
    stored.add(1)
    found += numbers(next(stream))
    other.close()
    stream.close()

    assert found == [*range(1, 11)]


def test_a_stream_says_where_it_is_when_nothing_happens(stored, hub, clock):
    quick = Following(
        outbox=stored, hub=hub, clock=clock, retention=1e6, heartbeat=0.01
    )
    stream = quick.stream(asked(Start.NOW), Reader(), 1e9)
    batches = [next(stream) for _ in range(3)]
    stream.close()

    assert [batch.events for batch in batches] == [(), (), ()]


def test_no_answer_has_more_than_a_hundred_events(following, stored):
    stored.add(250)
    stream = following.stream(asked(), Reader(), 1e9)
    sizes = [len(next(stream).events) for _ in range(3)]
    stream.close()

    assert sizes == [100, 100, 50]


def test_a_stream_ends_when_its_time_is_up(following, stored, clock):
    stored.add(2)

    assert len(list(following.stream(asked(), Reader(), clock.monotonic()))) == 1


def test_a_pull_takes_the_first_and_its_position_is_after_them(following, stored):
    stored.add(5)
    batch = following.pull(asked(), Reader(), 3, 0.0)

    assert numbers(batch) == [1, 2, 3]
    assert batch.position.place == Place(0, 3)


def test_a_place_beyond_the_end_is_of_another_store(following):
    with pytest.raises(InvalidToken):
        following.pull(asked(Position(Place(0, 7), NOW)), Reader(), 1, 0.0)


def test_the_place_of_a_page_is_as_old_as_what_it_told(following, stored):
    stored.add(600)
    stream = following.stream(asked(Position(START, NOW)), Reader(), 1e9)
    first = next(stream)
    stream.close()

    assert first.position.as_of == first.events[-1].event.occurred_at


@pytest.fixture
def slow(stored, clock, monkeypatch):
    """Each read of the store takes ten seconds."""
    read = stored.events

    def read_slowly(query):
        clock.advance(10.0)
        return read(query)

    monkeypatch.setattr(stored, "events", read_slowly)


def test_a_stream_says_where_it_is_while_it_reads_what_nobody_wants(
    following, stored, slow
):
    stored.add(2600)
    stream = following.stream(
        asked(kinds=frozenset({EventKind.SETTLED})), Reader(), 1e9
    )
    told = [next(stream).position.place.number for _ in range(3)]
    stream.close()

    assert told == [500, 1500, 2500]


def test_a_pull_looks_for_what_it_wants_for_a_while_and_says_how_far(
    following, stored, slow, clock
):
    stored.add(2600)
    wanted = asked(kinds=frozenset({EventKind.SETTLED}))
    batch = following.pull(wanted, Reader(), 10, 0.0)
    further = following.pull(wanted, Reader(), 10, clock.monotonic() + 15.0)

    assert (batch.events, batch.position.place.number) == ((), 500)
    assert (further.events, further.position.place.number) == ((), 1000)
