"""One kind of call that is busy or overloaded leaves the others alone."""

from __future__ import annotations

import threading
import time

import grpc
import pytest
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest
from postroom.v1.send_pb2 import SendMessageRequest, SendMessageResponse
from postroom_server.rpc import wire
from postroom_server.rpc.pools import PoolKind, PoolPlan

SMALL = {PoolKind.DELIVER: PoolPlan(2, 1)}


class Blocking:
    """A SendMessage that waits until it is released."""

    def __init__(self, release):
        self.inside = threading.Semaphore(0)
        self.calls = 0
        self._release = release

    def __call__(self, _request, _call):
        self.calls += 1
        self.inside.release()
        assert self._release.wait(20)
        return SendMessageResponse()

    def entered(self, count):
        for _ in range(count):
            assert self.inside.acquire(timeout=20)


@pytest.fixture
def blocking(release):
    return Blocking(release)


def check(channel):
    return channel.unary_unary(
        f"/{wire.HEALTH}/Check",
        request_serializer=wire.HealthCheckRequest.SerializeToString,
        response_deserializer=wire.HealthCheckResponse.FromString,
    )


def test_health_and_reads_answer_while_every_delivery_thread_waits(serve, blocking):
    running = serve({"SendMessage": blocking}, {PoolKind.DELIVER: PoolPlan(40, 40)})
    stub, channel = running.stub(), running.channel()
    health = check(channel)
    health(wire.HealthCheckRequest(), timeout=10)
    sends = [stub.SendMessage.future(SendMessageRequest()) for _ in range(60)]
    blocking.entered(40)
    took = []
    while len(took) < 50 and min(took, default=1.0) >= 0.1:
        began = time.monotonic()
        health(wire.HealthCheckRequest(), timeout=10)
        took.append(time.monotonic() - began)

    # The best of all: a machine that stands still for a while is no defect.
    assert min(took) < 0.1
    assert running.stub().GetDelivery(GetDeliveryRequest(), timeout=10) is not None
    assert not any(send.done() for send in sends)


def test_what_is_too_much_is_refused_at_once_and_told_when_to_come_back(
    serve, blocking, refused, release
):
    running = serve({"SendMessage": blocking}, SMALL)
    stub = running.stub()
    sends = [stub.SendMessage.future(SendMessageRequest()) for _ in range(3)]
    blocking.entered(2)
    while running.server.pools()[PoolKind.DELIVER].queued < 1:
        stub.GetDelivery(GetDeliveryRequest(), timeout=10)
    error = refused(stub.SendMessage, SendMessageRequest())
    release.set()

    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.info.reason == "OVERLOADED"
    delay = error.retry_info.retry_delay.ToMilliseconds()
    assert 500 <= delay <= 1500
    assert error.trailers["grpc-retry-pushback-ms"] == str(delay)
    assert [send.result(20) for send in sends]


def test_calls_that_expire_in_the_queue_are_not_begun_and_not_counted_for_good(
    serve, blocking, release
):
    running = serve({"SendMessage": blocking}, {PoolKind.DELIVER: PoolPlan(1, 20)})
    stub = running.stub()
    first = stub.SendMessage.future(SendMessageRequest())
    blocking.entered(1)
    expiring = [
        stub.SendMessage.future(SendMessageRequest(), timeout=1) for _ in range(12)
    ]
    # A call that ran out of time on its way here would not be told of.
    while running.server.pools()[PoolKind.DELIVER].queued < 12:
        stub.GetDelivery(GetDeliveryRequest(), timeout=10)
    for call in expiring:
        assert call.exception(20).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    release.set()
    first.result(20)
    running.records.until(13, "SendMessage")
    reading = running.server.pools()[PoolKind.DELIVER]

    assert blocking.calls == 1
    assert (reading.busy, reading.queued) in {(0, 0), (1, 0)}
