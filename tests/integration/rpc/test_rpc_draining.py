"""Leaving: health first, then no new calls, and every call in flight finishes."""

from __future__ import annotations

import threading

import grpc
import pytest
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest
from postroom.v1.send_pb2 import SendMessageRequest, SendMessageResponse
from postroom_server.rpc import wire
from postroom_server.rpc.admission import Gate
from postroom_server.rpc.health import NOT_SERVING

from tests.support.raw_http2 import RawConnection, frame

SERVICE = "postroom.v1.DeliveryService"


class Sending:
    def __init__(self, release):
        self.began = threading.Event()
        self.left = threading.Event()
        self._release = release

    def __call__(self, _request, call):
        call.on_leave(self.left.set)
        self.began.set()
        assert self._release.wait(20)
        return SendMessageResponse()


@pytest.fixture
def sending(release):
    return Sending(release)


@pytest.fixture
def background():
    """Run something beside the test; it ends with it."""
    threads = []

    def run(target, *args):
        thread = threading.Thread(target=target, args=args)
        thread.start()
        threads.append(thread)
        return thread

    yield run
    for thread in threads:
        thread.join(20)


def watch(channel):
    call = channel.unary_stream(
        f"/{wire.HEALTH}/Watch",
        wire.HealthCheckRequest.SerializeToString,
        wire.HealthCheckResponse.FromString,
    )
    return call(wire.HealthCheckRequest(service=SERVICE), timeout=30)


def refusal(stub):
    """How the server refuses a call; None if it took it."""
    try:
        stub.GetDelivery(GetDeliveryRequest(), timeout=20)
    except grpc.RpcError as error:
        return error.code()
    return None


def test_a_call_in_flight_finishes_while_new_ones_are_refused(
    serve, sending, release, background
):
    running = serve({"SendMessage": sending})
    call = running.stub().SendMessage.future(SendMessageRequest())
    assert sending.began.wait(20)
    leaving = background(running.server.drain, 20)
    while (refused := refusal(running.stub())) is None:
        pass
    still_there = leaving.is_alive()
    release.set()

    assert still_there
    assert refused is grpc.StatusCode.UNAVAILABLE
    assert call.result(20) == SendMessageResponse()
    leaving.join(20)
    assert not leaving.is_alive()


def test_health_changes_while_calls_are_still_taken(serve, background):
    running = serve(drain_delay=20)
    watcher = watch(running.channel())
    next(watcher)
    leaving = background(running.server.drain, 1)
    told = next(watcher).status
    answer = running.stub().GetDelivery(GetDeliveryRequest(), timeout=20)
    running.server.stop()
    leaving.join(20)

    assert told == NOT_SERVING
    assert answer is not None


def test_a_draining_server_says_so(serve, refused):
    running = serve()
    running.server._admission.gate = Gate.DRAINING
    answer = refused(running.stub().SendMessage, SendMessageRequest())

    assert answer.code is grpc.StatusCode.UNAVAILABLE
    assert answer.info.reason == "DRAINING"
    assert "grpc-retry-pushback-ms" in answer.trailers


def test_a_server_that_is_not_ready_says_so(serve, refused):
    answer = refused(serve(ready=False).stub().SendMessage, SendMessageRequest())

    assert answer.code is grpc.StatusCode.UNAVAILABLE
    assert answer.info.reason == "NOT_READY"


def test_a_draining_server_does_not_become_ready_again(serve):
    running = serve()
    running.server.drain(1)
    running.server.set_ready(True)
    running.health.set(SERVICE, True)

    assert running.health.status(SERVICE) == NOT_SERVING
    assert running.server._admission.gate is Gate.DRAINING


def test_watchers_do_not_hold_a_server_back(serve, background):
    running = serve()
    with RawConnection(running.server.address, window=0) as raw:
        raw.send(raw.call(f"/{wire.HEALTH}/Watch"), frame(b""), end=True)
        watcher = watch(running.channel())
        next(watcher)
        raw.settle()
        leaving = background(running.server.drain, 40)
        leaving.join(15)

        assert not leaving.is_alive()
        with pytest.raises(grpc.RpcError):
            list(watcher)


def test_a_call_that_outlasts_the_grace_is_told(serve, sending, release, background):
    running = serve({"SendMessage": sending})
    call = running.stub().SendMessage.future(SendMessageRequest())
    assert sending.began.wait(20)
    running.server.drain(0.1)

    assert sending.left.wait(20)
    assert call.exception(20).code() in {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    }


def test_stopping_twice_is_harmless(serve):
    running = serve()
    running.server.drain(1)
    running.server.stop()

    assert running.server.pools()
