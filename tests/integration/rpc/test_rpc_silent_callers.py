"""Callers that open calls and then say nothing cost the others nothing much."""

from __future__ import annotations

import time

import pytest
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest
from postroom_server.rpc.pools import PoolKind

from tests.support.raw_http2 import RawConnection, frame

SERVICE = "/postroom.v1.DeliveryService"
CALLS = 40


def test_calls_without_a_body_do_not_hang_good_calls_of_their_method(serve):
    running = serve()
    with RawConnection(running.server.address) as raw:
        for _ in range(CALLS):
            raw.call(f"{SERVICE}/GetDelivery")
        raw.settle()
        began = time.monotonic()

        running.stub().GetDelivery(GetDeliveryRequest(), timeout=20)

        assert time.monotonic() - began < 15


def test_calls_without_a_body_do_not_touch_other_methods(serve):
    running = serve()
    with RawConnection(running.server.address) as raw:
        for _ in range(CALLS):
            raw.call(f"{SERVICE}/SendMessage")
        raw.settle()
        began = time.monotonic()

        running.stub().GetDelivery(GetDeliveryRequest(), timeout=10)

        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "body", [b"", frame(b"")[:3], frame(b"x" * 100)[:50]], ids=repr
)
def test_a_caller_that_stops_halfway_is_cut_off_and_its_thread_comes_back(serve, body):
    running = serve(body_timeout=0.3)
    with RawConnection(running.server.address) as raw:
        stream = raw.call(f"{SERVICE}/GetDelivery")
        raw.send(stream, body)
        answer = raw.answer(stream)

        assert answer.reset is not None or answer.code == 1
        assert running.records.until(1)[0].reason == "CALLER_SILENT"
        assert running.server.pools()[PoolKind.CONTROL].queued == 0


def test_a_caller_that_sent_its_request_is_served_although_it_says_no_end(serve):
    running = serve()
    with RawConnection(running.server.address) as raw:
        stream = raw.call(f"{SERVICE}/GetDelivery")
        raw.send(stream, frame(b""))

        assert raw.answer(stream).code == 0


def test_a_slow_caller_within_the_limit_is_served(serve):
    running = serve()
    with RawConnection(running.server.address) as raw:
        stream = raw.call(f"{SERVICE}/GetDelivery")
        raw.settle()
        raw.send(stream, frame(b"")[:2])
        raw.settle()
        raw.send(stream, frame(b"")[2:], end=True)

        assert raw.answer(stream).code == 0


@pytest.mark.parametrize("path", ["/no.Such/Method", f"{SERVICE}/SendMessage"])
def test_refused_calls_without_a_body_are_answered_and_hold_no_thread(serve, path):
    # The second is refused because the server is not ready.
    running = serve(ready=False)
    with RawConnection(running.server.address) as raw:
        streams = [raw.call(path) for _ in range(CALLS)]
        codes = {raw.answer(stream).code for stream in streams}

        assert codes <= {12, 14}
        assert len(running.records.until(CALLS)) == CALLS


def test_refused_calls_without_a_body_leave_good_calls_at_once(serve):
    running = serve()
    stub = running.stub()
    stub.GetDelivery(GetDeliveryRequest(), timeout=10)
    with RawConnection(running.server.address) as raw:
        for _ in range(CALLS):
            raw.call("/no.Such/Method")
        began = time.monotonic()

        stub.GetDelivery(GetDeliveryRequest(), timeout=10)

        assert time.monotonic() - began < 3
