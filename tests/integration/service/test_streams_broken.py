"""A stream that breaks off, in whatever way, sends nothing and leaves nothing."""

from __future__ import annotations

import threading

import grpc
import pytest
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb

from tests.support.raw_http2 import RawConnection, frame
from tests.support.service import (
    CALL,
    PAUSE,
    a_request,
    of_the_file,
    plain,
    running,
)
from tests.support.streams import blob_frames, chunk, header, mail_frames, stored_files

# A database has what is whole, and nothing of what comes.
pytestmark = of_the_file
SERVICE = "/postroom.v1.DeliveryService"
PARTS = ("parts/a", "parts/b")


@pytest.fixture
def impatient(tmp_path, relay):
    settings = "[server]\nbody_timeout = 4.0"
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay, settings) as service:
        yield service


def two_files():
    files = [
        message_pb.Attachment(filename="a", content_type="image/png", blob=part)
        for part in PARTS
    ]
    return a_request(message={"attachments": files}, request_id="one")


def opening_frames(method):
    """All but the end: a part that is whole, and another that is not."""
    if method == "SendMessageStream":
        frames = [header(two_files()), chunk(b"x" * 70_000, PARTS[0])]
        return [*frames, chunk(b"y" * 70_000, PARTS[1])]
    return [*blob_frames(b"x" * 70_000)][:-1]


def none_left(service):
    """Wait until no file is there and no thread is busy."""
    for _ in range(int(CALL / 0.02)):
        pools = service.app.server.pools().values()
        # The poll of health or of a read may be busy for a moment.
        if not stored_files(service) and not any(p.busy for p in pools):
            return True
        PAUSE.wait(0.02)
    return False


def some_there(service):
    """Wait until some of the stream was stored."""
    for _ in range(int(CALL / 0.02)):
        if any(file.stat().st_size for file in stored_files(service)):
            return True
        PAUSE.wait(0.02)
    return False


def deliveries(service):
    request = requests_pb.ListDeliveriesRequest()
    return service.stub.ListDeliveries(request, timeout=CALL).deliveries


@pytest.mark.parametrize("method", ["SendMessageStream", "UploadBlob"])
@pytest.mark.parametrize("way", ["reset", "close", "silence"])
def test_a_stream_that_breaks_off_leaves_nothing(impatient, method, way):
    with RawConnection(impatient.app.server.address) as raw:
        stream = raw.call(f"{SERVICE}/{method}")
        for one in opening_frames(method):
            raw.send(stream, frame(one.SerializeToString()))
        assert some_there(impatient)
        match way:
            case "reset":
                raw.reset(stream)
            case "close":
                raw.close()
            case "silence":
                raw.answer(stream)

    assert none_left(impatient)
    assert list(deliveries(impatient)) == []


@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_a_caller_that_gives_up_leaves_nothing(service, way):
    given_up = threading.Event()

    def frames():
        yield from opening_frames("SendMessageStream")
        given_up.wait(CALL)

    timeout = 6.0 if way == "deadline" else CALL
    call = service.stub.SendMessageStream.future(frames(), timeout=timeout)
    assert some_there(service)
    if way == "cancel":
        call.cancel()
    else:
        assert call.exception(CALL).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    given_up.set()

    assert none_left(service)
    assert list(deliveries(service)) == []


def test_a_stream_that_was_broken_off_can_be_sent_again(impatient):
    with RawConnection(impatient.app.server.address) as raw:
        stream = raw.call(f"{SERVICE}/SendMessageStream")
        for one in opening_frames("SendMessageStream"):
            raw.send(stream, frame(one.SerializeToString()))
        raw.reset(stream)
    parts = dict.fromkeys(PARTS, b"x" * 70_000)
    again = impatient.stub.SendMessageStream(
        mail_frames(two_files(), parts), timeout=CALL
    )

    assert not again.result.replayed
    assert len(impatient.relay.messages) == 1


def test_a_service_that_stops_in_the_middle_leaves_nothing(tmp_path, relay):
    stopped = threading.Event()

    def frames():
        yield from opening_frames("SendMessageStream")
        stopped.wait(CALL)

    with running(tmp_path, {"main": plain(relay.port)}, relay) as service:
        call = service.stub.SendMessageStream.future(frames(), timeout=CALL)
        assert some_there(service)
        service.app.close()
        stopped.set()

        assert call.exception(CALL) is not None
        assert stored_files(service) == []


def test_what_a_process_left_is_gone_with_the_next_start(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay) as service:
        store = service.app.config.store_path
    left = store.with_name(f"{store.name}.files") / "incoming" / "0123"
    left.write_bytes(b"half a part")
    with running(tmp_path, relays, relay) as service:
        assert stored_files(service) == []
