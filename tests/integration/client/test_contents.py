"""Uploading contents for later mails, and getting a mail's bytes."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from hashlib import sha256

import grpc
import pytest
from postroom import (
    Attachment,
    Blob,
    FailedPrecondition,
    InternalError,
    InvalidRequest,
    NotFound,
    RawMessage,
    ResourceExhausted,
    Unavailable,
)
from postroom.v1 import content_pb2, send_pb2, send_stream_pb2

from tests.support.fake_service import Early, Refusal

MAIL = {"to": "ada@example.com", "subject": "Hello"}
CONTENT = random.Random(2).randbytes(1_200_000)
DIGEST = sha256(CONTENT).digest()
NAME = f"blobs/{DIGEST.hex()}"
AWAY = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED")


def kept(*, existed=False):
    blob = content_pb2.Blob(name=NAME, size_bytes=len(CONTENT), sha256=DIGEST)
    blob.expire_at.FromDatetime(datetime(2026, 8, 1))  # noqa: DTZ001  UTC by contract
    return content_pb2.UploadBlobResponse(blob=blob, existed=existed)


def rendered(content, *, size=None, digest=None):
    frame = content_pb2.RenderMessageResponse
    report = send_pb2.ValidationReport(size_bytes=len(content), relay="relays/main")
    header = content_pb2.RenderMessageHeader(report=report, message_id="<1@a.example>")
    end = send_stream_pb2.ContentEnd(
        size_bytes=len(content) if size is None else size,
        sha256=digest or sha256(content).digest(),
    )
    return [
        frame(header=header),
        *(frame(chunk=content[at : at + 999]) for at in range(0, len(content), 999)),
        frame(end=end),
    ]


class Pipe:
    """A file that can only be written, as the standard output."""

    def __init__(self):
        self.content = b""

    def write(self, octets):
        self.content += octets


def test_a_content_is_uploaded_with_its_hash_first(client, service):
    service.script("UploadBlob", kept())
    blob = client.upload(CONTENT)
    (stream,) = service.requests

    assert blob == Blob(
        name=NAME,
        size_bytes=len(CONTENT),
        sha256=DIGEST,
        expire_at=datetime(2026, 8, 1, tzinfo=UTC),
    )
    assert (stream.header.size_bytes, stream.header.sha256) == (len(CONTENT), DIGEST)
    assert stream.digests == {"": DIGEST}
    assert stream.end.sha256 == DIGEST


def test_what_the_service_has_is_not_sent_again(client, service, tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    service.script("UploadBlob", Early(kept(existed=True)))
    told = []
    blob = client.upload(path, on_progress=lambda gone, _: told.append(gone))

    assert blob.name == NAME
    assert max(told) < 50_000_000


def test_an_upload_is_repeated_when_the_service_was_away(client, service):
    service.script("UploadBlob", Early(AWAY, 3), kept())

    assert client.upload(io.BytesIO(CONTENT)).name == NAME
    assert service.requests[1].digests == {"": DIGEST}


def test_a_file_that_changes_after_its_hash_was_told_is_noticed(
    client, service, tmp_path
):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)

    def change(gone, total):
        if gone == 0:
            path.write_bytes(CONTENT[::-1])

    with pytest.raises(InvalidRequest, match="changed"):
        client.upload(path, on_progress=change)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("INVALID_ARGUMENT", "STREAM_PROTOCOL", InvalidRequest),
        ("INVALID_ARGUMENT", "CHECKSUM_MISMATCH", InvalidRequest),
        ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", ResourceExhausted),
    ],
)
def test_a_refused_upload_is_an_error_of_its_kind(client, service, code, reason, kind):
    refusal = Refusal(code=grpc.StatusCode[code], reason=reason)
    service.script("UploadBlob", refusal)

    with pytest.raises(kind) as error:
        client.upload(CONTENT)
    assert error.value.reason == reason


def test_a_blob_is_used_in_place_of_its_bytes(client, service):
    blob = Blob(name=NAME)
    attachments = [
        Attachment.from_blob(blob, "a.pdf"),
        Attachment.from_blob(NAME, "b", "image/png", inline=True, content_id="b"),
    ]
    client.send(**MAIL, text=blob, html=blob, attachments=attachments)
    client.send(RawMessage(blob, "me@example.com", ["ada@example.com"]))
    mail, raw = service.requests

    assert (mail.message.text_blob, mail.message.html_blob) == (NAME, NAME)
    assert [one.blob for one in mail.message.attachments] == [NAME, NAME]
    assert [one.content_type for one in mail.message.attachments] == [
        "application/pdf",
        "image/png",
    ]
    assert raw.raw_message.blob == NAME


def test_a_blob_that_is_gone_is_not_found(client, service):
    refusal = Refusal(code=grpc.StatusCode.NOT_FOUND, reason="BLOB_NOT_FOUND")
    service.script("SendMessage", refusal)

    with pytest.raises(NotFound):
        client.send(**MAIL, text=Blob(name=NAME))


def test_a_mail_is_rendered(client, service):
    service.script("RenderMessage", rendered(b"From: me\r\n\r\nHello\r\n" * 500))
    found = client.render(**MAIL, text="Hello")
    (request,) = service.requests

    assert found == b"From: me\r\n\r\nHello\r\n" * 500
    assert request.request.message.text_body == "Hello"


def test_a_delivery_is_rendered_into_a_file(client, service):
    service.script("RenderMessage", rendered(CONTENT))
    file = Pipe()
    told = client.render_to(file, "0198")

    assert file.content == CONTENT
    assert service.requests[0].delivery == "deliveries/0198"
    assert (told.message_id, told.size_bytes) == ("<1@a.example>", len(CONTENT))
    assert told.sha256 == DIGEST
    assert told.report.relay == "relays/main"


def test_what_is_too_large_to_render_in_one_request_is_uploaded_first(client, service):
    service.script("UploadBlob", kept())
    service.script("RenderMessage", rendered(b"x"))
    client.render(**MAIL, attachments=[Attachment("a", "a/b", CONTENT)])
    upload, request = service.requests

    assert upload.digests == {"": DIGEST}
    assert request.request.message.attachments[0].blob == NAME


def test_a_rendering_that_breaks_off_begins_again(client, service, tmp_path):
    whole = rendered(CONTENT)
    service.script("RenderMessage", [*whole[:20], AWAY], whole)
    with (tmp_path / "a.eml").open("wb") as file:
        file.write(b"before")
        client.render_to(file, "0198")

    assert (tmp_path / "a.eml").read_bytes() == b"before" + CONTENT


def test_what_went_to_a_pipe_is_not_taken_back(client, service):
    service.script("RenderMessage", [AWAY], [*rendered(CONTENT)[:20], AWAY])
    with pytest.raises(Unavailable):
        client.render_to(Pipe(), "0198")

    assert len(service.requests) == 2


@pytest.mark.parametrize("wrong", [{"size": 3}, {"digest": bytes(32)}])
def test_a_rendering_that_is_not_whole_is_no_mail(client, service, wrong):
    service.script("RenderMessage", rendered(b"abcd", **wrong))

    with pytest.raises(InternalError, match="whole"):
        client.render("0198")


def test_a_rendering_that_only_stops_is_no_mail(client, service):
    service.script("RenderMessage", rendered(b"abcd")[:-1])

    with pytest.raises(InternalError, match="whole"):
        client.render("0198")


def test_content_that_is_purged_is_told_as_such(client, service):
    refusal = Refusal(code=grpc.StatusCode.FAILED_PRECONDITION, reason="CONTENT_PURGED")
    service.script("RenderMessage", [refusal])

    with pytest.raises(FailedPrecondition) as error:
        client.render("0198")
    assert error.value.reason == "CONTENT_PURGED"


def test_trouble_with_the_file_ends_a_rendering(client, service):
    class Full(Pipe):
        def write(self, octets):
            raise OSError(28, "No space left on device")

    service.script("RenderMessage", rendered(CONTENT))

    with pytest.raises(OSError, match="No space"):
        client.render_to(Full(), "0198")


@pytest.mark.parametrize("what", ["0198", RawMessage(b"", "", [])])
def test_a_whole_mail_is_not_described_as_well(client, what):
    with pytest.raises(TypeError, match="'subject'"):
        client.render(what, subject="Hello")
