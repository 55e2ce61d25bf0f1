"""What the methods that tell events make of what the engine tells."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from postroom.v1 import event_pb2
from postroom_server.delivery.watching import Batch, Position
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.errors import SlowConsumer
from postroom_server.domain.events import Event, EventKind
from postroom_server.domain.limits import Limits
from postroom_server.outbox.event_pages import EventSource, Place, RecordedEvent
from postroom_server.rpc.convert import events as convert
from postroom_server.rpc.events import EventBehaviours

from tests.support.builders import NOW
from tests.support.clocks import FakeClock


def recorded(number: int, detail: str = "") -> RecordedEvent:
    event = Event(
        kind=EventKind.DEFERRED,
        occurred_at=NOW,
        status=DeliveryStatus.RETRY,
        detail=detail,
    )
    source = EventSource(
        delivery_id="d", tenant="a", relay="main", message_id="<m>", request_id=""
    )
    return RecordedEvent(Place(0, number), number, event, source)


def batch(*numbers: int, detail: str = "") -> Batch:
    events = tuple(recorded(number, detail) for number in numbers)
    return Batch(events, Position(Place(0, max(numbers, default=9)), NOW))


class Told:
    """Tells *batches*, and is then cut off."""

    def __init__(self, *batches: Batch) -> None:
        self._batches = batches
        self.until = 0.0

    def stream(self, _asked, _caller, until):
        self.until = until
        yield from self._batches
        raise SlowConsumer


def behaviours(told: Told, **limits) -> EventBehaviours:
    engine = SimpleNamespace(
        following=told, limits=Limits(**limits), outbox=SimpleNamespace(epoch="e")
    )
    return EventBehaviours(engine, FakeClock(NOW))


CALL = SimpleNamespace(principal=SimpleNamespace(tenant="a"), limit=1e12)


def watched(told: Told, **limits):
    request = event_pb2.WatchDeliveriesRequest()
    return behaviours(told, **limits).watch_deliveries(request, CALL)


def test_who_was_too_slow_hears_the_last_cursor_it_was_sent():
    answers = []
    with pytest.raises(SlowConsumer) as caught:
        answers.extend(watched(Told(batch(1), batch(2, 3))))

    assert caught.value.metadata["cursor"]


def test_the_cursor_of_the_error_is_that_of_the_last_answer():
    stream = watched(Told(batch(1), batch(2, 3)))
    last = [next(stream), next(stream)][-1]
    with pytest.raises(SlowConsumer) as caught:
        next(stream)

    assert caught.value.metadata == {"cursor": last.cursor}


def test_streams_live_for_their_time_less_up_to_a_tenth():
    now = FakeClock(NOW).monotonic()
    ages = set()
    for _ in range(50):
        told = Told(batch())
        next(watched(told, max_watch=100.0))
        ages.add(told.until - now)

    assert 90.0 <= min(ages) < max(ages) <= 100.0


def test_an_answer_ends_at_one_mebibyte_and_none_is_lost():
    whole = batch(*range(1, 31), detail="x" * 100_000)
    parts = [*convert.answers(whole)]

    assert [e.sequence for _, told in parts for e in told] == [*range(1, 31)]
    assert [len(told) for _, told in parts] == [10, 10, 10]
    assert [part.position.place.number for part, _ in parts] == [10, 20, 30]


def test_an_answer_without_events_is_an_answer_too():
    assert [(part.position, told) for part, told in convert.answers(batch())] == [
        (batch().position, [])
    ]
