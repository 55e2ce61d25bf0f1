"""Mail whose octets are in files, when the files are not what they should be."""

from __future__ import annotations

import grpc
import pytest
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.content_pb2 import RenderMessageRequest
from postroom_server.domain.familiar import FEWEST
from postroom_server.domain.octets import StoredOctets

from tests.support.service import (
    CALL,
    a_request,
    of_the_file,
    plain,
    purge,
    reason,
    running,
    violations,
)
from tests.support.streams import blob_frames, stored_files

DATA = b"some octets\r\n" * 1000
DAMAGED = DATA[:-2] + b"!\n"
LARGE = DATA * (FEWEST // len(DATA) + 1)
DAMAGED_LARGE = LARGE[:-2] + b"!\n"
ONCE = send_pb.RetryPolicy(disabled=True)


def upload(service, data=DATA, **header):
    return service.stub.UploadBlob(blob_frames(data, **header), timeout=CALL)


def attached(name, content_type="application/octet-stream"):
    file = message_pb.Attachment(filename="a", content_type=content_type, blob=name)
    return {"attachments": [file]}


def damage(service, data=DAMAGED):
    """Change the one file; None removes it."""
    (file,) = stored_files(service)
    if data is None:
        file.unlink()
    else:
        file.write_bytes(data)


def rendered(service, **source):
    frames = service.stub.RenderMessage(RenderMessageRequest(**source), timeout=CALL)
    return b"".join(frame.chunk for frame in frames)


def retry(service, name):
    request = requests_pb.RetryDeliveryRequest(delivery=name)
    return service.stub.RetryDelivery(request, timeout=CALL).result


def failure(result):
    (recipient,) = result.recipients
    return result.status, recipient.reason


UNREADABLE = (
    delivery_pb.DELIVERY_STATUS_FAILED,
    attempt_pb.FAILURE_REASON_INTERNAL,
)


@of_the_file
@pytest.mark.parametrize("kind", ["application/octet-stream", "message/rfc822"])
@pytest.mark.parametrize(
    "data", [DAMAGED, DATA[:-1], None], ids=["other", "short", "gone"]
)
def test_a_mail_whose_octets_are_damaged_fails_and_is_not_sent(service, kind, data):
    name = upload(service).blob.name
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    first = service.send(message=attached(name, kind), retry=ONCE)
    damage(service, data)
    result = retry(service, first.delivery)

    assert failure(result) == UNREADABLE
    assert service.relay.messages == ()
    assert service.send().status == delivery_pb.DELIVERY_STATUS_SUCCESS


@of_the_file
@pytest.mark.parametrize("data", [DAMAGED_LARGE, None], ids=["other", "gone"])
def test_a_damaged_file_of_a_mail_is_written_again_when_it_is_sent_again(service, data):
    kind = "application/octet-stream"
    file = message_pb.Attachment(filename="a", content_type=kind, data=LARGE)
    mail = {"message": {"attachments": [file]}, "retry": ONCE}
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    first = service.send(**mail)
    damage(service, data)
    found = failure(retry(service, first.delivery))

    service.relay.fail_next("MAIL", "451 4.3.0 later")
    again = retry(service, service.send(**mail).delivery)

    assert found == UNREADABLE
    assert again.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(service.relay.messages) == 1


@of_the_file
def test_a_store_that_lost_its_files_fails_mail_and_serves_on(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay) as before:
        relay.fail_next("MAIL", "451 4.3.0 later")
        name = upload(before).blob.name
        first = before.send(message=attached(name), retry=ONCE)
        damage(before, None)
    with running(tmp_path, relays, relay) as after:
        assert failure(retry(after, first.delivery)) == UNREADABLE
        with pytest.raises(grpc.RpcError) as caught:
            after.send(message=attached(name))
        assert reason(caught.value) == "BLOB_NOT_FOUND"
        upload(after)
        assert (
            after.send(message=attached(name)).status
            == delivery_pb.DELIVERY_STATUS_SUCCESS
        )


@of_the_file
def test_a_damaged_body_is_refused_until_it_is_brought_again(service):
    name = upload(service).blob.name
    damage(service)
    message = {"html_blob": name}
    with pytest.raises(grpc.RpcError) as caught:
        service.send(message=message)
    assert reason(caught.value) == "BLOB_NOT_FOUND"

    upload(service)
    assert service.send(message=message).status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_announcing_a_blob_that_is_there_moves_its_end(service):
    first = upload(service).blob
    sha256 = bytes.fromhex(StoredOctets.of(DATA).sha256)
    again = upload(service, sha256=sha256)

    assert again.existed
    assert again.blob.expire_at.ToNanoseconds() > first.expire_at.ToNanoseconds()


@of_the_file
def test_what_cannot_be_read_is_not_rendered(service):
    name = upload(service).blob.name
    sent = service.send(message=attached(name))
    request = a_request(message=attached(name))
    damage(service)

    with pytest.raises(grpc.RpcError) as stored:
        rendered(service, delivery=sent.delivery)
    with pytest.raises(grpc.RpcError) as asked:
        rendered(service, request=request)

    assert reason(stored.value) == "CONTENT_PURGED"
    assert reason(asked.value) == "BLOB_NOT_FOUND"


@pytest.mark.parametrize("utf8", [True, False])
def test_a_stored_mail_is_rendered_in_the_form_in_which_it_went(tmp_path, relay, utf8):
    with running(tmp_path, {"main": plain(relay.port)}, relay) as service:
        to = "jörg@example.com" if utf8 else "ada@example.com"
        name = service.send(to=to).delivery

        assert rendered(service, delivery=name) == relay.messages[0].data


def test_what_was_purged_is_not_rendered(service):
    name = service.send().delivery
    purge(service, days=2)

    with pytest.raises(grpc.RpcError) as caught:
        rendered(service, delivery=name)
    assert reason(caught.value) == "CONTENT_PURGED"


def test_every_problem_is_told_with_names_that_cannot_be(service):
    request = a_request(message={**attached("x"), "subject": ""})
    request.message.text_blob = "y"
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.SendMessage(request, timeout=CALL)

    assert set(violations(caught.value)) == {
        "message.attachments[0].blob",
        "message.text_blob",
        "message.subject",
    }
