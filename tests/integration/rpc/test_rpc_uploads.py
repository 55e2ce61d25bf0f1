"""Client streams: read frame by frame, at a pace, on seats of their own."""

from __future__ import annotations

import hashlib
import threading
from functools import partial

import grpc
import pytest
from postroom.v1.content_pb2 import UploadBlobRequest, UploadBlobResponse
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest
from postroom.v1.send_pb2 import SendMessageRequest, SendMessageResponse
from postroom.v1.send_stream_pb2 import (
    PartChunk,
    SendMessageStreamRequest,
    SendMessageStreamResponse,
)
from postroom_server.domain.errors import StreamProtocol
from postroom_server.domain.principal import Credential, Principal
from postroom_server.rpc import methods, pace
from postroom_server.rpc.pools import PoolKind, PoolPlan
from postroom_server.rpc.settings import READ_AHEAD

from tests.support.clocks import FakeClock
from tests.support.raw_http2 import RawConnection, frame

UPLOAD = "/postroom.v1.DeliveryService/UploadBlob"
MAIL = "/postroom.v1.DeliveryService/SendMessageStream"
CHUNK = UploadBlobRequest(chunk=b"x" * 1000)
RAW_CHUNK = frame(CHUNK.SerializeToString())


class Frames:
    """Requests that come when they are told to."""

    def __init__(self, *first):
        self._frames = [*first]
        self._changed = threading.Condition()
        self._ended = False

    def __iter__(self):
        return self

    def __next__(self):
        with self._changed:
            assert self._changed.wait_for(lambda: self._frames or self._ended, 20)
            if self._frames:
                return self._frames.pop(0)
            raise StopIteration

    def end(self):
        with self._changed:
            self._ended = True
            self._changed.notify()


class Taking:
    """A behaviour that takes every frame, and tells of each."""

    def __init__(self, response, least=0):
        self.response = response
        self.least = least
        self.frames = 0
        self.came = threading.Semaphore(0)
        self.errors = []

    def __call__(self, upload, _call):
        try:
            self._take(upload)
        except Exception as error:
            self.errors.append(error)
            raise
        upload.received()
        return self.response

    def _take(self, upload):
        for _ in upload.frames():
            self.frames += 1
            self.came.release()
        if self.frames < self.least:
            # A call that is cancelled may look as if its caller had half-closed.
            raise StreamProtocol("not all came")

    def got(self, count=1):
        for _ in range(count):
            assert self.came.acquire(timeout=20)


@pytest.fixture
def blobs():
    return Taking(UploadBlobResponse(existed=True))


def test_all_frames_reach_the_behaviour_and_its_answer_the_caller(serve, blobs):
    running = serve({"UploadBlob": blobs})
    answer = running.stub().UploadBlob(iter([CHUNK] * 50), timeout=20)

    assert answer.existed
    assert blobs.frames == 50
    assert running.records.until(1)[0].method == "DeliveryService/UploadBlob"


def test_an_error_is_told_before_the_rest_has_come(serve, refused):
    def refuse(upload, _call):
        next(upload.frames())
        raise StreamProtocol("not like this")

    frames = Frames(CHUNK)
    answer = refused(serve({"UploadBlob": refuse}).stub().UploadBlob, frames)
    frames.end()

    assert (answer.code, answer.info.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "STREAM_PROTOCOL",
    )


def test_an_answer_may_come_before_the_rest_has(serve):
    def known(upload, _call):
        next(upload.frames())
        return UploadBlobResponse(existed=True)

    frames = Frames(CHUNK)
    answer = serve({"UploadBlob": known}).stub().UploadBlob(frames, timeout=20)
    frames.end()

    assert answer.existed


def test_a_frame_with_an_unknown_field_is_refused(serve, blobs, refused):
    running = serve({"UploadBlob": blobs})
    call = running.channel().stream_unary(UPLOAD)
    answer = refused(call, iter([b"\xf8\x06\x01"]))

    assert answer.info.reason == "UNKNOWN_FIELD"


def test_what_is_no_frame_is_malformed(serve, blobs, refused):
    running = serve({"UploadBlob": blobs})
    call = running.channel().stream_unary(UPLOAD)

    assert refused(call, iter([b"\x0a\xff"])).info.reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize("sent", [b"", RAW_CHUNK, RAW_CHUNK[:500]], ids=len)
def test_a_caller_that_falls_silent_is_cut_off(serve, blobs, sent):
    running = serve({"UploadBlob": blobs}, body_timeout=0.3)
    with RawConnection(running.server.address) as raw:
        stream = raw.call(UPLOAD)
        raw.send(stream, sent)
        answer = raw.answer(stream)

    assert answer.reset is not None or answer.code == 1
    assert running.records.until(1)[0].reason == "CALLER_SILENT"


def test_a_caller_that_drips_is_told_that_it_is_too_slow(serve, monkeypatch):
    monkeypatch.setattr(pace, "SLOWEST", 1 << 40)
    clock = FakeClock()

    def second_by_second(upload, _call):
        for _ in upload.frames():
            clock.advance(1.0)

    running = serve({"UploadBlob": second_by_second}, clock=clock)
    with RawConnection(running.server.address) as raw:
        stream = raw.call(UPLOAD)
        for _ in range(10_000):
            raw.send(stream, RAW_CHUNK)
            raw.settle()
            if raw.ended(stream):
                break
        answer = raw.answer(stream)

    assert answer.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert running.records.until(1)[0].reason == "DEADLINE_PASSED"


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_caller_that_leaves_in_the_middle_frees_its_thread(serve, leave):
    blobs = Taking(UploadBlobResponse(), least=2)
    running = serve({"UploadBlob": blobs}, {PoolKind.UPLOAD: PoolPlan(1, 0)})
    with RawConnection(running.server.address) as raw:
        stream = raw.call(UPLOAD)
        raw.send(stream, RAW_CHUNK)
        blobs.got()
        raw.reset(stream) if leave == "reset" else raw.close()
        left = running.records.until(1)[0]

    assert left.code in {"CANCELLED", "INVALID_ARGUMENT"}
    assert len(blobs.errors) == 1


def test_uploads_that_hang_leave_sends_and_reads_alone(serve, blobs):
    plans = {PoolKind.UPLOAD: PoolPlan(4, 0, patience=20.0)}
    running = serve({"UploadBlob": blobs}, plans)
    stub = running.stub()
    with RawConnection(running.server.address) as raw:
        for _ in range(4):
            raw.send(raw.call(UPLOAD), RAW_CHUNK)
        blobs.got(4)

        stub.SendMessage(SendMessageRequest(), timeout=20)
        stub.GetDelivery(GetDeliveryRequest(), timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            stub.UploadBlob(iter([CHUNK]), timeout=20)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_sends_that_wait_leave_uploads_alone(serve, release):
    inside = threading.Semaphore(0)

    def waiting(_request, _call):
        inside.release()
        assert release.wait(20)
        return SendMessageResponse()

    running = serve({"SendMessage": waiting}, {PoolKind.DELIVER: PoolPlan(2, 0)})
    stub = running.stub()
    sends = [stub.SendMessage.future(SendMessageRequest()) for _ in range(2)]
    for _ in sends:
        assert inside.acquire(timeout=20)

    assert stub.UploadBlob(iter([CHUNK]), timeout=20) == UploadBlobResponse()


@pytest.fixture
def two_seats(monkeypatch):
    row = methods._ROWS["SendMessageStream"]._replace(seats=2)
    monkeypatch.setitem(methods._ROWS, "SendMessageStream", row)


PATIENT = {PoolKind.DELIVER: PoolPlan(256, 64, patience=20.0)}
MAIL_CHUNK = SendMessageStreamRequest(chunk=PartChunk(part="parts/a", data=b"x"))


@pytest.mark.usefixtures("two_seats")
def test_mails_that_are_received_leave_threads_to_those_who_send(serve, refused):
    mails = Taking(SendMessageStreamResponse())
    running = serve({"SendMessageStream": mails}, PATIENT)
    stub = running.stub()
    hanging = [Frames(MAIL_CHUNK) for _ in range(2)]
    calls = [stub.SendMessageStream.future(frames) for frames in hanging]
    mails.got(2)
    third = refused(stub.SendMessageStream, iter([MAIL_CHUNK]))
    stub.SendMessage(SendMessageRequest(), timeout=20)
    for frames in hanging:
        frames.end()

    assert (third.code, third.info.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "OVERLOADED",
    )
    assert [call.result(20) for call in calls] == [SendMessageStreamResponse()] * 2


@pytest.mark.usefixtures("two_seats")
def test_who_is_silent_loses_a_seat_that_others_need(serve):
    mails = Taking(SendMessageStreamResponse())
    plan = PoolPlan(256, 64, patience=0.3)
    running = serve({"SendMessageStream": mails}, {PoolKind.DELIVER: plan})
    with RawConnection(running.server.address) as raw:
        for _ in range(2):
            raw.send(raw.call(MAIL), frame(MAIL_CHUNK.SerializeToString()))
        # One of the two: when its seat is free, nobody needs the other's.
        first, *_ = running.records.until(1)

    assert first.reason == "CALLER_SILENT"


def token_of(tenant):
    return tenant * 40


def credential_of(tenant):
    digest = hashlib.sha256(token_of(tenant).encode()).digest()
    principal = Principal(name=tenant, tenant=tenant)
    return Credential(principal=principal, token_digests=(digest,))


def test_uploads_of_one_tenant_leave_room_for_those_of_another(serve, blobs, refused):
    # The one that is turned away may not have left yet when the other comes.
    plans = {PoolKind.UPLOAD: PoolPlan(4, 1, patience=20.0)}
    credentials = [credential_of(tenant) for tenant in "ab"]
    running = serve({"UploadBlob": blobs}, plans, credentials=credentials)
    stub = running.stub()
    hanging = [Frames(CHUNK) for _ in range(3)]
    mine = {"metadata": (("authorization", f"Bearer {token_of('a')}"),)}
    theirs = {"metadata": (("authorization", f"Bearer {token_of('b')}"),)}
    calls = [stub.UploadBlob.future(frames, **mine) for frames in hanging]
    blobs.got(3)
    fourth = refused(stub.UploadBlob, iter([CHUNK]), **mine)
    other = stub.UploadBlob(iter([CHUNK]), timeout=20, **theirs)
    for frames in hanging:
        frames.end()

    assert fourth.info.reason == "OVERLOADED"
    assert other.existed
    assert all(call.result(20).existed for call in calls)


@pytest.mark.usefixtures("two_seats")
def test_a_mail_that_waits_for_its_verdict_needs_no_seat(serve, release):
    inside = threading.Semaphore(0)

    def waiting(upload, _call):
        for _ in upload.frames():
            pass
        upload.received()
        inside.release()
        assert release.wait(20)
        return SendMessageStreamResponse()

    stub = serve({"SendMessageStream": waiting}).stub()
    calls = []
    for _ in range(6):
        calls.append(stub.SendMessageStream.future(iter([MAIL_CHUNK])))
        assert inside.acquire(timeout=20)
    release.set()

    assert all(call.result(20) is not None for call in calls)


def test_the_time_for_an_answer_begins_when_all_has_come(serve):
    seen = []

    def look(upload, call):
        before = call.limit
        for _ in upload.frames():
            pass
        upload.received()
        seen.append((before, call.limit))
        return SendMessageStreamResponse()

    running = serve({"SendMessageStream": look}, max_wait=90.0)
    running.stub().SendMessageStream(iter([MAIL_CHUNK]), timeout=1000)

    ((before, limit),) = seen
    assert before == 0.0
    assert limit > 80.0


def test_a_stream_whose_time_ran_out_is_not_answered_as_if_it_had_not(serve, refused):
    def late(upload, call):
        for _ in upload.frames():
            pass
        call._context = Exhausted()
        upload.received()
        raise AssertionError("there was no time left")

    stub = serve({"SendMessageStream": late}).stub()
    answer = refused(stub.SendMessageStream, iter([MAIL_CHUNK]))

    assert answer.info.reason == "DEADLINE_PASSED"


class Exhausted:
    """A call of which no time is left."""

    def time_remaining(self):
        return 0.0


def test_a_frame_beyond_the_limit_of_requests_is_refused_by_grpc(serve, blobs):
    running = serve({"UploadBlob": blobs}, max_request_bytes=1 << 20)
    large = UploadBlobRequest(chunk=bytes(1 << 20))
    with pytest.raises(grpc.RpcError) as caught:
        running.stub().UploadBlob(iter([large]), timeout=20)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_server_that_does_not_take_mail_refuses_streams_at_the_door(serve, refused):
    stub = serve(ready=False).stub()
    for call in (stub.SendMessageStream, partial(stub.UploadBlob)):
        assert refused(call, Frames()).info.reason == "NOT_READY"


def test_little_of_a_stream_comes_before_it_is_asked_for(serve, release):
    large = frame(UploadBlobRequest(chunk=bytes(65536)).SerializeToString())
    read = 200

    def stalling(upload, _call):
        frames = upload.frames()
        for _ in range(read):
            next(frames)
        assert release.wait(20)
        return UploadBlobResponse()

    running = serve({"UploadBlob": stalling})
    sent = 0
    with RawConnection(running.server.address) as raw:
        stream = raw.call(UPLOAD)
        while sent < 4 * read * len(large):
            taken = raw.push(stream, large)
            sent += taken
            if not taken and sent > read * len(large):
                break
            large = large[taken:] + large[:taken]
        release.set()

    assert sent - read * len(large) <= 2 * READ_AHEAD
