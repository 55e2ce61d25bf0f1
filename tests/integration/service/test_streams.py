"""Mail in pieces, through the whole service."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import random
import sqlite3
import threading
from contextlib import suppress

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.content_pb2 import RenderMessageRequest

from tests.support.process import free_port
from tests.support.service import (
    CALL,
    a_request,
    of_the_file,
    plain,
    reason,
    running,
    violations,
)
from tests.support.streams import (
    blob_frames,
    chunk,
    end,
    header,
    mail_frames,
    stored_files,
)

DATA = random.Random(7).randbytes(300_000)
TEXT = ("Zwölf Boxkämpfer jagen Viktor.\n" * 5000).encode()
HTML = b"<p>" + b"x" * 200_000 + b"</p>"
A, B = "parts/a", "parts/b"
QUICK = send_pb.RetryPolicy(quick_delays=[Duration(nanos=100_000_000)] * 3)


def attached(blob=A, **content):
    return message_pb.Attachment(
        filename="a.bin",
        content_type="application/octet-stream",
        **(content or {"blob": blob}),
    )


def with_file(attachment=None, **fields):
    return a_request(message={"attachments": [attachment or attached()]}, **fields)


def arrived(service):
    (received,) = service.relay.messages
    return email.message_from_bytes(received.data, policy=email.policy.default)


def stream(service, frames, timeout=CALL):
    return service.stub.SendMessageStream(frames, timeout=timeout)


def refused(service, frames):
    with pytest.raises(grpc.RpcError) as caught:
        stream(service, frames)
    return caught.value


def test_text_html_and_files_in_pieces_arrive_as_they_were(service):
    message = message_pb.Message(
        from_mailbox=message_pb.Mailbox(address="me@example.com"),
        to=[message_pb.Mailbox(address="ada@example.com")],
        subject="Large",
        text_blob=A,
        html_blob="parts/the.html",
        attachments=[attached("parts/C_1")],
    )
    request = send_pb.SendMessageRequest(message=message)
    parts = {"parts/C_1": DATA, "parts/the.html": HTML, A: TEXT}
    result = stream(service, mail_frames(request, parts)).result

    mail = arrived(service)
    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.size_bytes == len(service.relay.messages[0].data)
    assert mail.get_body(("plain",)).get_content() == TEXT.decode().replace(
        "\n", "\r\n"
    )
    assert mail.get_body(("html",)).get_content().rstrip("\n").encode() == HTML
    assert [f.get_content() for f in mail.iter_attachments()] == [DATA]


def test_a_mail_that_refers_to_nothing_may_come_as_a_stream_too(service):
    frames = mail_frames(a_request(), {})

    assert stream(service, frames).result.status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_a_raw_mail_arrives_byte_for_byte(service):
    raw = (
        (
            b"From: me@example.com\r\nTo: ada@example.com\r\nMessage-ID: <1@example.com>\r\n"
            b"Date: Mon, 23 Nov 2026 00:00:00 +0000\r\nSubject: raw\r\n\r\n"
        )
        + b"0123456789" * 7
        + b"\r\n" * 50_000
    )
    request = send_pb.SendMessageRequest(
        raw_message=message_pb.RawMessage(
            blob=A, envelope_from="me@example.com", recipients=["ada@example.com"]
        )
    )
    result = stream(service, mail_frames(request, {A: raw})).result

    assert result.message_id == "<1@example.com>"
    assert service.relay.messages[0].data == raw


def test_each_attempt_reads_the_contents_anew(service):
    service.relay.fail_next("END", "451 4.3.0 later", times=2)
    request = with_file(retry=QUICK)
    result = stream(service, mail_frames(request, {A: DATA})).result

    assert result.retry_count == 2
    assert [f.get_content() for f in arrived(service).iter_attachments()] == [DATA]


def test_a_mail_that_was_accepted_is_sent_by_the_next_process(tmp_path, relay):
    request = with_file(completion=send_pb.COMPLETION_ACCEPTED)
    away = {"main": plain(free_port())}
    with running(tmp_path, away, relay) as before:
        name = stream(before, mail_frames(request, {A: DATA})).result.delivery
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay) as after:
        again = requests_pb.RetryDeliveryRequest(delivery=name)
        # Refused where it is on its way already: the first process had not begun it.
        with suppress(grpc.RpcError):
            after.stub.RetryDelivery(again, timeout=CALL)
        result = after.settled(name)

        assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
        assert [f.get_content() for f in arrived(after).iter_attachments()] == [DATA]


@of_the_file
def test_a_blob_that_goes_does_not_take_an_accepted_mail_s_content(service):
    name = service.stub.UploadBlob(blob_frames(DATA), timeout=CALL).blob.name
    service.relay.fail_next("END", "451 4.3.0 later")
    once = send_pb.RetryPolicy(disabled=True)
    first = service.send(message={"attachments": [attached(name)]}, retry=once)
    with sqlite3.connect(service.app.config.store_path) as store:
        store.execute("DELETE FROM blob")
    store.close()
    again = requests_pb.RetryDeliveryRequest(delivery=first.delivery)
    result = service.stub.RetryDelivery(again, timeout=CALL).result

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert [f.get_content() for f in arrived(service).iter_attachments()] == [DATA]


@pytest.mark.parametrize("size", [1, 7, 1000, 65536, 1 << 20])
def test_chunks_may_be_cut_anywhere(service, size):
    text = "ä€😀\r\n".encode() * 200
    request = a_request()
    request.message.text_blob = A
    stream(service, mail_frames(request, {A: text}, size))

    content = arrived(service).get_body(("plain",)).get_content()
    assert content.replace("\r\n", "\n").encode() == text.replace(b"\r\n", b"\n")


def test_validation_needs_no_relay_and_stores_nothing(service):
    frames = mail_frames(with_file(validate_only=True), {A: DATA})
    report = stream(service, frames).validation

    assert report.size_bytes > len(DATA)
    assert report.recipients[0].envelope_address == "ada@example.com"
    assert service.relay.messages == ()
    assert stored_files(service) == []


def test_a_blob_is_uploaded_once_and_sent_twice(service):
    first = service.stub.UploadBlob(blob_frames(DATA), timeout=CALL)
    for _ in range(2):
        service.send(message={"attachments": [attached(first.blob.name)]})

    sha256 = hashlib.sha256(DATA)
    assert not first.existed
    assert first.blob.name == f"blobs/{sha256.hexdigest()}"
    assert (first.blob.size_bytes, first.blob.sha256) == (len(DATA), sha256.digest())
    assert len(service.relay.messages) == 2


def test_a_blob_that_is_there_is_answered_before_its_chunks(service):
    before = service.stub.UploadBlob(blob_frames(DATA), timeout=CALL).blob
    sha256 = hashlib.sha256(DATA).digest()
    # Its chunks are others: nobody looks at them.
    again = service.stub.UploadBlob(blob_frames(b"?", sha256=sha256), timeout=CALL)

    assert again.existed
    assert again.blob.name == before.name
    assert again.blob.expire_at.ToNanoseconds() >= before.expire_at.ToNanoseconds()


def test_uploading_the_same_again_is_harmless(service):
    answers = [
        service.stub.UploadBlob(blob_frames(DATA), timeout=CALL) for _ in range(2)
    ]

    assert [answer.existed for answer in answers] == [False, True]
    assert answers[0].blob.name == answers[1].blob.name
    assert len(stored_files(service)) == 1


@pytest.mark.parametrize("first", ["inline", "base64", "blob", "stream"])
def test_one_mail_is_the_same_request_however_its_contents_come(service, first):
    blob = service.stub.UploadBlob(blob_frames(DATA), timeout=CALL).blob.name
    ways = {
        "inline": with_file(attached(data=DATA), request_id="one"),
        "base64": with_file(
            attached(data_base64=base64.b64encode(DATA).decode()), request_id="one"
        ),
        "blob": with_file(attached(blob), request_id="one"),
        "stream": None,
    }

    def sent(way):
        request = ways[way]
        if request is not None:
            return service.stub.SendMessage(request, timeout=CALL).result
        frames = mail_frames(with_file(request_id="one"), {A: DATA})
        return stream(service, frames).result

    before = sent(first)
    after = [sent(way) for way in ways]

    assert not before.replayed
    assert [(r.replayed, r.delivery) for r in after] == [(True, before.delivery)] * 4
    assert len(service.relay.messages) == 1


def test_the_same_request_id_with_other_octets_is_another_body(service):
    stream(service, mail_frames(with_file(request_id="one"), {A: DATA}))
    error = refused(service, mail_frames(with_file(request_id="one"), {A: DATA[1:]}))

    assert reason(error) == "REQUEST_ID_REUSED"


def test_a_header_that_is_wrong_is_refused_before_any_chunk(service):
    answered = threading.Event()

    def frames():
        yield header(with_file(to="nobody"))
        answered.wait(CALL)

    error = refused(service, frames())
    answered.set()

    assert reason(error) == "INVALID_MESSAGE"
    assert list(violations(error)) == ["message.to[0].address"]


UNTIMELY = {
    "no end": [header(with_file()), chunk(DATA[:9], A)],
    "nothing": [],
    "no header": [chunk(DATA[:9], A), end(DATA[:9])],
    "two headers": [header(with_file()), header(with_file())],
    "a missing part": [header(with_file()), end()],
    "an unexpected part": [header(with_file()), chunk(b"x", B)],
    "a part twice": [header(with_file()), chunk(b"x", A), chunk(b"y", A)],
    "no part named": [header(with_file()), chunk(b"x")],
    "after the end": [header(with_file()), chunk(b"x", A), end(b"x"), chunk(b"y")],
}


@pytest.mark.parametrize("frames", UNTIMELY.values(), ids=list(UNTIMELY))
def test_frames_that_are_out_of_order_send_nothing_and_leave_nothing(service, frames):
    error = refused(service, iter(frames))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(error) == "STREAM_PROTOCOL"
    assert service.relay.messages == ()
    assert stored_files(service) == []


@pytest.mark.parametrize(
    "told", [{"size_bytes": 8}, {"size_bytes": 0}, {"sha256": bytes(32)}], ids=str
)
@pytest.mark.parametrize("parts", [(A,), (A, B)], ids=["one part", "two"])
def test_what_is_not_as_it_was_announced_is_not_sent(service, told, parts):
    chunks = [chunk(DATA[:9], part) for part in parts]
    request = a_request(message={"attachments": list(map(attached, parts))})
    frames = [header(request), *chunks, end(DATA[:9] * len(parts), **told)]
    error = refused(service, iter(frames))

    assert reason(error) == "CHECKSUM_MISMATCH"
    assert service.relay.messages == ()
    assert stored_files(service) == []


@pytest.mark.parametrize(
    "told",
    [
        {"sha256": bytes(32)},
        {"size_bytes": 5},
        {"size_bytes": len(DATA) + 1},
    ],
    ids=str,
)
def test_a_blob_that_is_not_as_it_was_announced_is_not_kept(service, told):
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.UploadBlob(blob_frames(DATA, **told), timeout=CALL)

    assert reason(caught.value) == "CHECKSUM_MISMATCH"
    assert stored_files(service) == []


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"size_bytes": -1}, "header.size_bytes"),
        ({"size_bytes": 100 * 2**20 + 1}, "header.size_bytes"),
        ({"sha256": b"short"}, "header.sha256"),
    ],
)
def test_a_blob_that_can_not_be_is_refused_at_its_header(service, told, field):
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.UploadBlob(blob_frames(DATA, **told), timeout=CALL)

    assert reason(caught.value) == "INVALID_REQUEST"
    assert list(violations(caught.value)) == [field]


def test_an_empty_blob_is_refused(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.UploadBlob(blob_frames(b""), timeout=CALL)

    assert stored_files(service) == []
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_chunk_that_is_too_large_is_refused(service):
    large = bytes(2**20 + 1)
    error = refused(service, iter([header(with_file()), chunk(large, A)]))

    assert reason(error) == "INVALID_REQUEST"
    assert list(violations(error)) == ["chunk.data"]


def test_a_part_that_is_larger_than_its_place_allows_is_refused_on_the_way(service):
    def endless():
        yield header(with_file())
        yield chunk(bytes(2**20), A)
        for _ in range(1000):
            yield chunk(bytes(2**20))

    error = refused(service, endless())

    assert reason(error) == "INVALID_MESSAGE"
    assert violations(error) == {A: "larger than 25 MB"}
    assert stored_files(service) == []


def test_a_body_that_is_no_utf_8_is_refused(service):
    request = a_request()
    request.message.text_blob = A
    error = refused(service, mail_frames(request, {A: b"caf\xe9"}))

    assert reason(error) == "INVALID_MESSAGE"
    assert list(violations(error)) == ["message.text_blob"]


@pytest.mark.parametrize("name", [A, "blobs/" + "0" * 64])
def test_a_content_that_is_not_there_is_refused(service, name):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(message={"attachments": [attached(name)]})

    expected = "INVALID_MESSAGE" if name == A else "BLOB_NOT_FOUND"
    assert reason(caught.value) == expected


@pytest.mark.parametrize("name", ["parts/ä", "parts/", "blobs/x", "/etc/passwd", ""])
def test_a_name_that_can_be_no_content_s_is_refused(service, name):
    error = refused(service, mail_frames(with_file(attached(name)), {}))

    assert list(violations(error)) == ["message.attachments[0].blob"]


def render(service, request):
    frames = list(service.stub.RenderMessage(request, timeout=CALL))
    first, *chunks, last = frames
    return first.header, b"".join(frame.chunk for frame in chunks), last.end, chunks


def test_a_stored_mail_is_rendered_as_it_was_sent(service):
    frames = mail_frames(with_file(), {A: DATA})
    result = stream(service, frames).result
    asked = RenderMessageRequest(delivery=result.delivery)
    told, octets, ending, chunks = render(service, asked)

    assert octets == service.relay.messages[0].data
    assert (ending.size_bytes, ending.sha256) == (
        len(octets),
        hashlib.sha256(octets).digest(),
    )
    assert told.message_id == result.message_id
    assert told.report.size_bytes == len(octets)
    assert {len(c.chunk) for c in chunks[:-1]} == {65536}
    assert 0 < len(chunks[-1].chunk) <= 65536


def test_a_request_is_rendered_and_not_sent_whatever_it_says_of_its_answer(service):
    request = with_file(
        attached(data=DATA),
        request_id="not\nvalid",
        completion=send_pb.COMPLETION_ACCEPTED,
        validate_only=True,
    )
    told, octets, _, _ = render(service, RenderMessageRequest(request=request))
    mail = email.message_from_bytes(octets, policy=email.policy.default)

    assert [f.get_content() for f in mail.iter_attachments()] == [DATA]
    assert told.message_id == mail["Message-ID"]
    assert service.relay.messages == ()


def test_a_request_with_a_blob_is_rendered(service):
    name = service.stub.UploadBlob(blob_frames(DATA), timeout=CALL).blob.name
    request = with_file(attached(name))
    _, octets, _, _ = render(service, RenderMessageRequest(request=request))

    assert len(octets) > len(DATA)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (RenderMessageRequest(), "INVALID_REQUEST"),
        (RenderMessageRequest(delivery="deliveries/1"), "DELIVERY_NOT_FOUND"),
        (RenderMessageRequest(delivery="relays/main"), "INVALID_REQUEST"),
        (RenderMessageRequest(request=a_request(to="x")), "INVALID_MESSAGE"),
    ],
    ids=str,
)
def test_what_can_not_be_rendered_is_refused(service, request_, expected):
    with pytest.raises(grpc.RpcError) as caught:
        list(service.stub.RenderMessage(request_, timeout=CALL))

    assert reason(caught.value) == expected
