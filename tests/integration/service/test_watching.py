"""`WatchDeliveries` and `PullEvents`: every event, in order, from any place on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from postroom.v1 import delivery_pb2, event_pb2
from postroom_server.delivery.watching import Position
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.outbox.event_pages import START
from postroom_server.rpc.convert.cursors import Cursors

from tests.support.builders import DAY, SECOND
from tests.support.service import (
    CALL,
    details,
    plain,
    reason,
    running,
    violations,
)

BEGINNING = event_pb2.START_POSITION_BEGINNING
ACCEPTED = event_pb2.EVENT_KIND_ACCEPTED
SETTLED = event_pb2.EVENT_KIND_SETTLED
STORY = [
    ACCEPTED,
    event_pb2.EVENT_KIND_ATTEMPT_STARTED,
    event_pb2.EVENT_KIND_DELIVERED,
    SETTLED,
]


@contextmanager
def watching(service, timeout=CALL, **asked) -> Iterator[grpc.Call]:
    """A stream that was opened and has told its first place."""
    request = event_pb2.WatchDeliveriesRequest(**asked)
    stream = service.stub.WatchDeliveries(request, timeout=timeout)
    try:
        yield stream
    finally:
        stream.cancel()


def events_of(stream, count):
    """The next *count* events."""
    found = []
    while len(found) < count:
        found += next(stream).events
    return found


def pull(service, **asked) -> event_pb2.PullEventsResponse:
    return service.stub.PullEvents(event_pb2.PullEventsRequest(**asked), timeout=CALL)


def refused(service, **asked) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        pull(service, **asked)
    return caught.value


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in details(error).details)
    return info


def test_a_watcher_hears_the_whole_story_of_a_mail(service):
    with watching(service) as stream:
        assert list(next(stream).events) == []
        result = service.send(metadata={"order": "1"}, tags=["new"], request_id="r1")
        told = events_of(stream, 4)

    assert [event.kind for event in told] == STORY
    assert [event.sequence for event in told] == [1, 2, 3, 4]
    assert len({event.id for event in told}) == 4
    last = told[-1]
    assert (last.delivery, last.message_id) == (result.delivery, result.message_id)
    assert (last.relay, last.request_id) == ("relays/main", "r1")
    assert (dict(last.metadata), list(last.tags)) == ({"order": "1"}, ["new"])
    assert last.status == delivery_pb2.DELIVERY_STATUS_SUCCESS
    assert told[2].recipient == "ada@example.com"
    assert told[2].reply.code == 250


def test_the_first_answer_comes_at_once_and_has_a_cursor(service):
    with watching(service) as stream:
        first = next(stream)

    assert 0 < len(first.cursor) <= 256


def test_a_watcher_from_the_beginning_hears_what_was_before(service):
    result = service.send()
    with watching(service, start_position=BEGINNING) as stream:
        told = events_of(stream, 4)

    assert {event.delivery for event in told} == {result.delivery}


def test_a_cursor_goes_on_where_a_stream_ended(service):
    with watching(service) as stream:
        cursor = next(stream).cursor
        service.send()
        while not (answer := next(stream)).events:
            cursor = answer.cursor
    with watching(service, start_cursor=cursor) as stream:
        told = events_of(stream, 4)

    assert [event.kind for event in told] == STORY


def test_a_cursor_after_each_event_goes_on_with_the_next(service):
    service.send()
    cursor = ""
    told = []
    for _ in STORY:
        start = {"start_cursor": cursor} if cursor else {"start_position": BEGINNING}
        answer = pull(service, max_events=1, **start)
        told += answer.events
        cursor = answer.cursor

    assert [event.kind for event in told] == STORY
    assert list(pull(service, start_cursor=cursor).events) == []


def test_a_pull_begins_now_where_nothing_else_is_said(service):
    service.send()
    answer = pull(service)
    later = service.send()
    following = pull(service, start_cursor=answer.cursor)

    assert list(answer.events) == []
    assert {event.delivery for event in following.events} == {later.delivery}


def test_a_pull_waits_for_a_first_event(service):
    cursor = pull(service).cursor
    waiting = service.stub.PullEvents.future(
        event_pb2.PullEventsRequest(start_cursor=cursor, wait=Duration(seconds=20)),
        timeout=CALL,
    )
    service.send()

    assert waiting.result(CALL).events[0].kind == ACCEPTED


@pytest.mark.usefixtures("unhurried")
def test_a_pull_answers_before_its_deadline_with_where_to_go_on(service):
    request = event_pb2.PullEventsRequest(wait=Duration(seconds=60))
    answer = service.stub.PullEvents(request, timeout=6.0)

    assert list(answer.events) == []
    assert answer.cursor


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ({"kinds": [ACCEPTED, SETTLED]}, 4),
        ({"tags": ["a", "c"]}, 4),
        ({"tags": ["a", "b"]}, 8),
        ({"metadata": {"n": "1"}}, 4),
        ({"metadata": {"n": "1", "m": "1"}}, 0),
        ({"tags": ["a"], "kinds": [SETTLED]}, 1),
    ],
)
def test_a_filter_holds_back_what_does_not_meet_it(service, conditions, count):
    for position, tag in enumerate("ab", 1):
        service.send(tags=[tag], metadata={"n": str(position)})

    answer = pull(service, filter=conditions, start_position=BEGINNING)

    assert len(answer.events) == count


def test_a_filter_by_deliveries_tells_of_these_alone(service):
    first, _, third = (service.send().delivery for _ in range(3))
    asked = {"deliveries": [first, third]}

    answer = pull(service, filter=asked, start_position=BEGINNING)

    assert {event.delivery for event in answer.events} == {first, third}


def test_a_filter_holds_for_what_comes_too(service):
    asked = {"tags": ["b"], "kinds": [SETTLED]}
    with watching(service, filter=asked) as stream:
        next(stream)
        service.send(tags=["a"])
        wanted = service.send(tags=["b"])
        (told,) = events_of(stream, 1)

    assert (told.delivery, told.kind) == (wanted.delivery, SETTLED)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"filter": {"deliveries": ["x/1"]}}, "filter.deliveries[0]"),
        ({"filter": {"deliveries": ["deliveries/1"] * 101}}, "filter.deliveries"),
        ({"filter": {"kinds": [0]}}, "filter.kinds[0]"),
        ({"filter": {"tags": ["a"] * 11}}, "filter.tags"),
        ({"filter": {"tags": [""]}}, "filter.tags[0]"),
        ({"max_events": -1}, "max_events"),
        ({"max_events": 1001}, "max_events"),
        ({"wait": Duration(seconds=61)}, "wait"),
        ({"wait": Duration(seconds=-1)}, "wait"),
    ],
)
def test_a_pull_that_can_t_be_is_refused_by_its_field(service, asked, field):
    error = refused(service, **asked)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in violations(error)


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "A" * 54, "A" * 300, "AAAA====", "../../etc/passwd"]
)
def test_a_cursor_that_is_none_is_refused(service, cursor):
    assert reason(refused(service, start_cursor=cursor)) == "INVALID_TOKEN"


def test_a_cursor_with_one_character_changed_is_refused(service):
    cursor = pull(service).cursor
    for place in range(len(cursor)):
        other = "A" if cursor[place] != "A" else "B"
        altered = cursor[:place] + other + cursor[place + 1 :]

        assert reason(refused(service, start_cursor=altered)) == "INVALID_TOKEN"


def test_a_cursor_of_another_store_is_refused(service, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    relay = service.relay
    with running(other, {"main": plain(relay.port)}, relay) as another:
        cursor = pull(another).cursor

    assert reason(refused(service, start_cursor=cursor)) == "INVALID_TOKEN"


def test_a_cursor_that_is_too_old_is_told_where_to_begin(service):
    result = service.send()
    engine, week = service.app.engine, 7 * DAY
    long_ago = Position(START, Instant(SystemClock().now() - week - SECOND))
    cursors = Cursors(engine.outbox.epoch, 1.0, SystemClock())

    error = refused(service, start_cursor=cursors.make(long_ago, "default"))
    oldest = error_info(error).metadata["oldest_cursor"]
    told = pull(service, start_cursor=oldest).events

    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert error_info(error).reason == "CURSOR_EXPIRED"
    assert [event.delivery for event in told] == [result.delivery] * 4


def test_a_stream_that_is_too_old_ends_in_order(tmp_path, service):
    folder = tmp_path / "short"
    folder.mkdir()
    relay = service.relay
    extra = "[limits]\nmax_watch = 1"
    with (
        running(folder, {"main": plain(relay.port)}, relay, extra) as short,
        watching(short) as stream,
    ):
        answers = list(stream)

        assert stream.code() is grpc.StatusCode.OK
        assert answers[0].cursor


@pytest.mark.usefixtures("unhurried")
def test_a_stream_ends_before_its_deadline(service):
    with watching(service, timeout=6.0) as stream:
        answers = list(stream)

        assert stream.code() is grpc.StatusCode.OK
    assert answers


def test_a_drain_ends_streams_and_tells_so(service):
    with watching(service) as stream:
        next(stream)
        draining = threading.Thread(target=service.app.drain)
        draining.start()
        with pytest.raises(grpc.RpcError) as caught:
            list(stream)
        draining.join(CALL)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value) == "DRAINING"


def test_a_watcher_that_left_holds_no_thread(service):
    for _ in range(3):
        with watching(service) as stream:
            next(stream)
    pools = service.app.server.pools

    def busy() -> int:
        return next(p.busy for kind, p in pools().items() if kind.value == "events")

    for _ in range(500):
        if not busy():
            break
        threading.Event().wait(0.01)
    assert busy() == 0
    assert service.app.engine.events.reading().watchers == 0


def test_fifty_watchers_hear_the_same(service):
    with_all = threading.Barrier(51, timeout=CALL)
    heard: list[list[str]] = []

    def watch() -> None:
        with watching(service) as stream:
            next(stream)
            with_all.wait()
            heard.append([event.id for event in events_of(stream, 8)])

    threads = [threading.Thread(target=watch) for _ in range(50)]
    for thread in threads:
        thread.start()
    with_all.wait()
    service.send()
    service.send()
    for thread in threads:
        thread.join(CALL)

    assert len(heard) == 50
    assert all(one == heard[0] for one in heard)
