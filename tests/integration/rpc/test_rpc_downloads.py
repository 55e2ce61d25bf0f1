"""Server streams: a caller that reads slowly, or not at all, holds nothing for long."""

from __future__ import annotations

import threading

import grpc
import pytest
from postroom.v1.content_pb2 import RenderMessageRequest, RenderMessageResponse
from postroom.v1.send_pb2 import SendMessageRequest
from postroom_server.domain.errors import ContentPurged
from postroom_server.rpc import pace
from postroom_server.rpc.pools import PoolKind, PoolPlan

from tests.support.clocks import FakeClock
from tests.support.raw_http2 import RawConnection, frame

RENDER = "/postroom.v1.DeliveryService/RenderMessage"
ASKED = RenderMessageRequest(delivery="deliveries/1")
BODY = frame(ASKED.SerializeToString())
CHUNK = RenderMessageResponse(chunk=b"x" * 65536)


class Endless:
    """A mail without end; says when nobody reads it any more.

    A second goes by on its *clock* for each frame.
    """

    def __init__(self):
        self.closed = threading.Event()
        self.clock = FakeClock()

    def __call__(self, _request, _call):
        try:
            while True:
                yield CHUNK
                self.clock.advance(1.0)
        finally:
            self.closed.set()


@pytest.fixture
def endless():
    return Endless()


def test_all_frames_reach_the_caller(serve):
    running = serve({"RenderMessage": lambda _request, _call: iter([CHUNK] * 40)})
    frames = list(running.stub().RenderMessage(ASKED, timeout=20))

    assert frames == [CHUNK] * 40
    assert running.records.until(1)[0].code == "OK"


def test_an_error_in_the_middle_ends_the_stream_with_its_reason(serve):
    def breaking(_request, _call):
        yield CHUNK
        raise ContentPurged("its bytes are gone")

    stub = serve({"RenderMessage": breaking}).stub()
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.RenderMessage(ASKED, timeout=20))

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_bug_in_the_middle_tells_nothing_of_itself(serve):
    def breaking(_request, _call):
        yield CHUNK
        raise RuntimeError("the secret is 42")

    stub = serve({"RenderMessage": breaking}).stub()
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.RenderMessage(ASKED, timeout=20))

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "42" not in caught.value.details()


def test_a_frame_of_another_type_is_a_bug(serve):
    stub = serve({"RenderMessage": lambda _r, _c: iter([SendMessageRequest()])}).stub()
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.RenderMessage(ASKED, timeout=20))

    assert caught.value.code() is grpc.StatusCode.INTERNAL


def test_a_caller_that_does_not_read_is_cut_off_and_its_thread_comes_back(
    serve, endless
):
    running = serve(
        {"RenderMessage": endless},
        {PoolKind.RENDER: PoolPlan(1, 0)},
        body_timeout=1.5,
    )
    with RawConnection(running.server.address, window=0) as raw:
        raw.send(raw.call(RENDER), BODY, end=True)
        record = running.records.until(1)[0]

    assert endless.closed.wait(20)
    assert record.reason == "CALLER_SILENT"


def test_a_caller_that_reads_too_slowly_is_cut_off(serve, endless, monkeypatch):
    monkeypatch.setattr(pace, "SLOWEST", 1 << 50)
    running = serve({"RenderMessage": endless}, clock=endless.clock)
    with pytest.raises(grpc.RpcError) as caught:
        for _ in running.stub().RenderMessage(ASKED, timeout=20):
            pass

    assert endless.closed.wait(20)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert running.records.until(1)[0].reason == "DEADLINE_PASSED"


def test_a_caller_that_leaves_frees_its_thread(serve, endless):
    running = serve({"RenderMessage": endless})
    call = running.stub().RenderMessage(ASKED, timeout=20)
    next(call)
    call.cancel()

    assert endless.closed.wait(20)
    assert running.records.until(1)[0].code == "CANCELLED"


def test_callers_that_do_not_read_leave_sends_alone(serve, endless):
    plan = PoolPlan(2, 0)
    plans = {PoolKind.RENDER: plan, PoolKind.DELIVER: plan}
    running = serve({"RenderMessage": endless}, plans)
    with RawConnection(running.server.address, window=0) as raw:
        for _ in range(2):
            raw.send(raw.call(RENDER), BODY, end=True)
        raw.settle()

        running.stub().SendMessage(SendMessageRequest(), timeout=20)


def test_a_second_request_is_not_read(serve):
    running = serve()
    call = running.channel().stream_stream(RENDER)
    raw = ASKED.SerializeToString()
    ended = call(iter([raw, raw]), timeout=20)
    list(ended)

    assert ended.code() is grpc.StatusCode.OK


def test_a_call_without_a_body_is_cut_off(serve):
    running = serve(body_timeout=0.3)
    with RawConnection(running.server.address) as raw:
        answer = raw.answer(raw.call(RENDER))

    assert answer.reset is not None or answer.code == 1
    assert running.records.until(1)[0].reason == "CALLER_SILENT"
