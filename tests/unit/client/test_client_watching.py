"""What holds between two streams of one watch."""

from __future__ import annotations

from itertools import count

import pytest
from google.rpc import error_details_pb2, status_pb2
from postroom._attempts import Terms
from postroom._events import REMEMBERED, Watching, pulled
from postroom._failures import Failure
from postroom._retry import Surroundings
from postroom.errors import InvalidRequest, Unavailable
from postroom.v1 import event_pb2

AWAY = Failure(code="UNAVAILABLE", text="away")


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def watch(now):
    terms = Terms(
        target="x",
        timeout=10.0,
        surroundings=Surroundings(clock=lambda: now[0], chance=lambda: 0.5),
    )
    return lambda **what: Watching(terms, what)


def answer(cursor, *ids):
    events = [event_pb2.Event(id=one) for one in ids]
    return event_pb2.WatchDeliveriesResponse(cursor=cursor, events=events)


def ours(code, reason):
    info = error_details_pb2.ErrorInfo(reason=reason, domain="postroom")
    status = status_pb2.Status()
    status.details.add().Pack(info)
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    return Failure(code=code, text="x", trailers=trailers)


def ids(events):
    return [event.id for event in events]


def test_the_next_stream_begins_at_the_last_cursor(watch):
    watching = watch(start="beginning")
    assert watching.request.WhichOneof("start") == "start_position"
    list(watching.take(answer("c1", "a")))

    assert watching.request.start_cursor == "c1"


def test_an_answer_that_was_not_dealt_with_does_not_move_the_cursor(watch):
    watching = watch(cursor="c0")
    next(watching.take(answer("c1", "a", "b")))

    assert watching.request.start_cursor == "c0"


def test_what_comes_twice_is_dropped(watch):
    watching = watch()

    assert ids(watching.take(answer("c1", "a", "b"))) == ["a", "b"]
    assert ids(watching.take(answer("c2", "b", "c"))) == ["c"]


def test_what_was_told_is_not_remembered_without_end(watch):
    watching = watch()
    names = count()
    for _ in range(120):
        list(watching.take(answer("c", *(str(next(names)) for _ in range(100)))))

    assert len(watching._told) == REMEMBERED


def test_only_the_last_event_of_an_answer_has_its_cursor(watch):
    watching = watch(cursor="c0")
    told = list(watching.take(answer("c1", "a", "b")))

    assert [event.cursor for event in told] == ["c0", "c1"]


def test_every_cursor_is_told_heartbeats_too(watch):
    told: list[str] = []
    watching = watch(on_cursor=told.append)
    for cursor in ("c1", "c2"):
        list(watching.take(answer(cursor)))

    assert told == ["c1", "c2"]


def test_a_service_that_stays_away_ends_the_watch_in_time(watch, now):
    watching = watch()
    watching.begin()
    assert watching.pause_after(AWAY) is not None
    now[0] = 9.99
    watching.begin()

    assert watching.pause_after(AWAY) is None
    assert isinstance(watching.error_of(AWAY), Unavailable)


def test_the_time_begins_anew_when_it_was_there(watch, now):
    watching = watch()
    for _ in range(5):
        watching.begin()
        list(watching.take(answer("c")))
        now[0] += 100.0

        assert watching.pause_after(AWAY) is not None


def test_any_number_of_attempts_is_made_within_the_time(watch):
    watching = watch(timeout=1e9)
    for _ in range(3000):
        watching.begin()

        assert watching.pause_after(AWAY) is not None


@pytest.mark.parametrize(
    ("code", "reason", "goes_on"),
    [
        ("ABORTED", "SLOW_CONSUMER", True),
        ("UNAVAILABLE", "DRAINING", True),
        ("OUT_OF_RANGE", "CURSOR_EXPIRED", False),
        ("INVALID_ARGUMENT", "INVALID_TOKEN", False),
        ("ABORTED", "", False),
    ],
)
def test_some_failures_end_a_watch_and_some_do_not(watch, code, reason, goes_on):
    watching = watch()
    watching.begin()

    assert (watching.pause_after(ours(code, reason)) is not None) is goes_on


def test_an_expired_cursor_is_an_invalid_request(watch):
    failure = ours("OUT_OF_RANGE", "CURSOR_EXPIRED")

    assert isinstance(watch().error_of(failure), InvalidRequest)


def test_a_stream_that_ended_in_order_is_followed_at_once(watch):
    watching = watch()
    watching.begin()
    list(watching.take(answer("c")))

    assert watching.pause_after_end() == 0.0


def test_one_that_told_nothing_is_followed_after_a_pause(watch):
    watching = watch()
    watching.begin()

    assert watching.pause_after_end() > 0.0


def test_a_page_knows_where_to_go_on():
    response = event_pb2.PullEventsResponse(
        cursor="c1", events=[event_pb2.Event(id="a"), event_pb2.Event(id="b")]
    )
    page = pulled(response, "c0")

    assert page.cursor == "c1"
    assert [event.cursor for event in page.events] == ["c0", "c1"]
