"""Mail too large for one request: what goes, when, and what ends it."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
from postroom import (
    Attachment,
    InvalidRequest,
    RawMessage,
    ResourceExhausted,
    Unavailable,
)
from postroom.v1 import send_pb2, send_stream_pb2

from tests.integration.client.answers import NAME, result
from tests.support.fake_service import Early, Refusal

MAIL = {"to": "ada@example.com", "subject": "Hello"}
LARGE = random.Random(1).randbytes(1_500_000)
AWAY = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED")


def sent():
    return send_stream_pb2.SendMessageStreamResponse(result=result())


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def digest(content):
    return sha256(content).digest()


class Once:
    """A file that can't be moved, as a pipe."""

    def __init__(self, content):
        self._file = io.BytesIO(content)

    def read(self, size=-1):
        return self._file.read(size)


def as_bytes(path):
    return path.read_bytes()


def as_path(path):
    return path


def as_file(path):
    return path.open("rb")


def as_pipe(path):
    return Once(path.read_bytes())


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return path


@pytest.mark.parametrize("given", [as_bytes, as_path, as_file, as_pipe])
def test_a_large_attachment_follows_in_pieces(client, service, large, given):
    service.script("SendMessageStream", sent())
    content = given(large)
    attachment = Attachment("a.bin", "application/x-a", content)
    fate = client.send(**MAIL, text="small", attachments=[attachment])
    if hasattr(content, "close"):
        content.close()
    (stream,) = service.requests

    assert fate.delivery == NAME
    assert stream.header.message.attachments[0].blob == "parts/0"
    assert stream.header.message.text_body == "small"
    assert stream.header.request_id
    assert stream.digests == {"parts/0": digest(LARGE)}
    assert stream.largest <= 65_536
    assert stream.end.size_bytes == len(LARGE)
    assert stream.end.sha256 == digest(LARGE)


def test_each_large_content_is_a_part_of_its_own(client, service, large):
    service.script("SendMessageStream", sent())
    text = "\N{SNOWMAN}a" * 400_000
    client.send(**MAIL, text=text, html=large, attachments=[large, large])
    (stream,) = service.requests
    message = stream.header.message

    assert message.text_blob == "parts/0"
    assert message.html_blob == "parts/1"
    assert [one.blob for one in message.attachments] == ["parts/2", "parts/3"]
    assert stream.digests["parts/0"] == digest(text.encode())
    assert stream.digests["parts/3"] == digest(LARGE)
    assert stream.end.size_bytes == len(text.encode()) + 3 * len(LARGE)


def test_small_files_are_no_reason_for_a_stream(client, service, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("grün", "utf-8")
    client.send(**MAIL, text=path, attachments=[path])
    (request,) = service.requests

    assert isinstance(request, send_pb2.SendMessageRequest)
    assert request.message.text_body == "grün"
    assert request.message.attachments[0].data == "grün".encode()


def test_a_large_mail_is_checked_as_one_piece_would_be(client, service, large):
    report = send_pb2.ValidationReport(size_bytes=420)
    answer = send_stream_pb2.SendMessageStreamResponse(validation=report)
    service.script("SendMessageStream", answer)
    found = client.validate(**MAIL, text="x", attachments=[large])
    (stream,) = service.requests

    assert found.size_bytes == 420
    assert stream.header.validate_only
    assert stream.header.request_id == ""


@pytest.mark.parametrize("given", [as_bytes, as_path, as_file, as_pipe])
def test_an_attempt_that_broke_off_is_made_again_from_the_beginning(
    client, service, large, given
):
    service.script("SendMessageStream", Early(AWAY, 5), AWAY, sent())
    content = given(large)
    attachment = Attachment("a.bin", "application/x-a", content)
    client.send(**MAIL, text="x", attachments=[attachment])
    if hasattr(content, "close"):
        content.close()

    assert [len(stream.digests) for stream in service.requests] == [1, 1, 1]
    assert service.requests[1].digests == service.requests[2].digests
    assert service.requests[2].digests == {"parts/0": digest(LARGE)}
    assert len({stream.header.request_id for stream in service.requests}) == 1


@pytest.mark.parametrize("first", [AWAY, Early(AWAY, 9)], ids=["whole", "broken off"])
@pytest.mark.parametrize("change", ["other", "shorter"])
def test_a_file_that_changes_between_attempts_is_noticed(
    client, service, large, first, change
):
    def changing(delay):
        content = b"\0" * len(LARGE) if change == "other" else LARGE[:300_000]
        large.write_bytes(content)

    client_pause(client, changing)
    service.script("SendMessageStream", first, sent())
    with pytest.raises(InvalidRequest, match="changed") as refusal:
        client.send(**MAIL, text="x", attachments=[large])

    (wrong,) = refusal.value.violations
    assert wrong.field == "message.attachments[0].data"
    assert isinstance(first, Early) or not refusal.value.nothing_sent
    assert all(not stream.end for stream in service.requests[1:])


def client_pause(client, act):
    """Have *act* happen between two attempts."""
    twin = getattr(client, "twin", None)
    if twin is None:
        client._calls.pause = act
        return

    async def pause(delay):
        act(delay)

    twin._calls.pause = pause


def test_what_is_written_to_a_file_meanwhile_stays_out(client, service, large):
    def grow(request):
        with large.open("ab") as file:
            file.write(b"more")
        return sent()

    service.script("SendMessageStream", AWAY, grow)
    client.send(**MAIL, text="x", attachments=[large], on_progress=lambda *_: grow(0))

    assert service.requests[1].digests == {"parts/0": digest(LARGE)}


def test_an_error_ends_the_upload_at_once(client, service, tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    refusal = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="STORE_FULL")
    service.script("SendMessageStream", Early(refusal))
    told = []
    with pytest.raises(ResourceExhausted, match="refused") as error:
        client.send(
            **MAIL, attachments=[path], on_progress=lambda gone, _: told.append(gone)
        )

    assert error.value.nothing_sent
    assert max(told) < 100_000_000


def test_progress_is_told_to_the_end(client, service, large):
    service.script("SendMessageStream", sent())
    told = []
    client.send(
        **MAIL,
        text="x",
        attachments=[large],
        on_progress=lambda *seen: told.append(seen),
    )

    assert told[0] == (0, len(LARGE))
    assert told[-1] == (len(LARGE), len(LARGE))
    assert told == sorted(told)


def test_trouble_of_the_callback_is_the_callers_and_ends_the_call(
    client, service, large, caplog
):
    def interfere(gone, total):
        if gone > 300_000:
            raise ZeroDivisionError("enough")

    service.script("SendMessageStream", sent())
    with pytest.raises(ZeroDivisionError, match="enough"):
        client.send(**MAIL, attachments=[large], on_progress=interfere)

    assert service.ended.wait(10)
    assert service.requests[0].end is None
    assert caplog.records == []


def test_every_way_to_the_service_carries_token_and_trace(connect, service, large):
    service.script("SendMessageStream", Early(AWAY), sent())
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    with connect(service.target, token="secret", plaintext=True) as client:
        client_pause(client, lambda delay: None)
        client.send(**MAIL, attachments=[large], traceparent=trace)
        client.upload(LARGE, traceparent=trace)

    assert [told["authorization"] for told in service.metadata] == ["Bearer secret"] * 3
    assert [told["traceparent"] for told in service.metadata] == [trace] * 3


def test_a_file_that_vanishes_is_told_as_such(client, service, large):
    service.script("SendMessageStream", AWAY, sent())
    client_pause(client, lambda delay: large.unlink())

    with pytest.raises(FileNotFoundError):
        client.send(**MAIL, attachments=[large])


def test_no_file_is_left_open_or_moved(client, service, large):
    service.script("SendMessageStream", sent(), Early(AWAY), sent())
    client.send(**MAIL, attachments=[large])
    before = open_files()
    with large.open("rb") as file:
        file.seek(10)
        client.send(**MAIL, attachments=[Attachment("a", "a/b", file), large])
        stood = file.tell()

    assert stood == 10
    assert service.requests[-1].digests["parts/0"] == digest(LARGE[10:])
    assert open_files() <= before


@pytest.mark.parametrize("given", [as_bytes, as_path, as_file, as_pipe])
def test_a_composed_mail_goes_as_it_is(client, service, large, given):
    service.script("SendMessageStream", sent())
    content = given(large)
    raw = RawMessage(content, "me@example.com", ["ada@example.com"])
    client.send(raw, relay="main")
    if hasattr(content, "close"):
        content.close()
    (stream,) = service.requests

    assert stream.header.raw_message.blob == "parts/0"
    assert stream.header.raw_message.envelope_from == "me@example.com"
    assert stream.header.raw_message.recipients == ["ada@example.com"]
    assert stream.header.relay == "relays/main"
    assert stream.digests == {"parts/0": digest(LARGE)}


def test_a_small_composed_mail_is_one_request(client, service):
    mail = b"From: me@example.com\r\n\r\nHello\r\n"
    client.send(RawMessage(mail, "me@example.com", ["ada@example.com"]))
    (request,) = service.requests

    assert request.raw_message.data == mail
    assert request.WhichOneof("content") == "raw_message"


def test_a_service_that_turns_calls_away_at_its_end_is_asked_again(
    client, service, pauses
):
    bare = Refusal(code=grpc.StatusCode.CANCELLED, text="Cancelled")
    service.script("SendMessage", bare, send_pb2.SendMessageResponse(result=result()))

    assert client.send(**MAIL, text="x").delivery == NAME
    assert len(pauses) == 1


def test_turned_away_for_good_is_unavailable(client, service):
    bare = Refusal(code=grpc.StatusCode.CANCELLED, text="Cancelled")
    service.script("SendMessage", *[bare] * 4)
    with pytest.raises(Unavailable) as refusal:
        client.send(**MAIL, text="x", request_id="mine")

    assert not refusal.value.nothing_sent
    assert "request_id='mine'" in str(refusal.value)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_mail_of_100_mb_costs_at_most_16_mb(service, tmp_path, kind):
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(100 * 1_048_576)
    child = Path(__file__).with_name("large_mail_child.py")
    run = subprocess.run(
        [sys.executable, child, service.target, kind, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert service.requests[-1].end.size_bytes == 100 * 1_048_576
    assert int(run.stdout) < 16 * 1024
