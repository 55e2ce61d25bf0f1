"""What a behaviour learns about its call, and what it tells the caller meanwhile."""

from __future__ import annotations

import threading
import time

import pytest
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest, GetDeliveryResponse

from tests.support.raw_http2 import RawConnection, frame

PATH = "/postroom.v1.DeliveryService/GetDelivery"


class Seen:
    """A behaviour that keeps its context, and waits as long as asked."""

    def __init__(self, release):
        self.release = release
        self.began = threading.Event()
        self.left = threading.Event()
        self.call = None

    def __call__(self, _request, call):
        self.call = call
        call.on_leave(self.left.set)
        self.began.set()
        assert self.release.wait(20)
        return GetDeliveryResponse()


@pytest.fixture
def seen(release):
    return Seen(release)


def test_the_answer_s_headers_come_with_accepted_and_not_before(serve, release):
    go, begun = threading.Event(), threading.Event()

    def behaviour(_request, call):
        begun.set()
        assert go.wait(20)
        call.accepted()
        call.accepted()
        assert release.wait(20)
        return GetDeliveryResponse()

    running = serve({"GetDelivery": behaviour})
    with RawConnection(running.server.address) as raw:
        stream = raw.call(PATH)
        raw.send(stream, frame(b""), end=True)
        assert begun.wait(20)
        raw.settle()
        before = dict(raw._answers[stream].headers)
        go.set()
        after = raw.headers(stream)
        release.set()
        answer = raw.answer(stream)

    assert before == {}
    assert after[":status"] == "200"
    assert answer.code == 0


def test_a_caller_that_cancels_is_noticed(serve, seen):
    running = serve({"GetDelivery": seen})
    call = running.stub().GetDelivery.future(GetDeliveryRequest())
    assert seen.began.wait(20)
    call.cancel()

    assert seen.left.wait(20)
    assert seen.call.left


def test_a_connection_that_breaks_is_noticed(serve, seen):
    running = serve({"GetDelivery": seen})
    with RawConnection(running.server.address) as raw:
        raw.send(raw.call(PATH), frame(b""), end=True)
        assert seen.began.wait(20)

    assert seen.left.wait(20)


def test_who_asks_after_the_caller_left_is_told_at_once(serve, seen, release):
    running = serve({"GetDelivery": seen})
    call = running.stub().GetDelivery.future(GetDeliveryRequest())
    assert seen.began.wait(20)
    call.cancel()
    assert seen.left.wait(20)
    late = threading.Event()
    seen.call.on_leave(late.set)
    seen.call.accepted()
    release.set()

    assert late.is_set()
    assert running.records.until(1)[0].code == "CANCELLED"


def test_an_answered_call_is_no_leaving(serve, seen, release):
    release.set()
    running = serve({"GetDelivery": seen})
    stub = running.stub()
    for _ in range(20):
        stub.GetDelivery(GetDeliveryRequest(), timeout=20)

    assert not seen.left.is_set()
    assert {record.code for record in running.records.until(20)} == {"OK"}


def test_the_answer_leaves_before_the_caller_s_deadline(serve, seen, release):
    release.set()
    running = serve({"GetDelivery": seen})
    stub = running.stub()
    stub.GetDelivery(GetDeliveryRequest(), timeout=20)
    began = time.monotonic()
    stub.GetDelivery(GetDeliveryRequest(), timeout=10)
    ended = time.monotonic()

    # It came between these two, and its deadline is ten seconds after that.
    assert began + 9.5 < seen.call.limit < ended + 9.9


def test_a_call_without_a_deadline_gets_the_method_s_own(serve, seen, release):
    release.set()
    running = serve({"GetDelivery": seen})
    began = time.monotonic()
    running.stub().GetDelivery(GetDeliveryRequest())

    assert began + 30 <= seen.call.limit < began + 40


def test_the_ids_of_the_caller_are_kept_and_echoed(serve, seen, release):
    release.set()
    running = serve({"GetDelivery": seen})
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    _, call = running.stub().GetDelivery.with_call(
        GetDeliveryRequest(),
        metadata=[
            ("x-request-id", "abc-1"),
            ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
        ],
    )
    record = running.records.until(1)[0]

    assert ("x-request-id", "abc-1") in call.trailing_metadata()
    assert (record.request_id, record.trace_id) == ("abc-1", trace)
    assert (record.method, record.code) == ("DeliveryService/GetDelivery", "OK")
