"""Mail that its caller composed, through the whole service, as it is."""

from __future__ import annotations

import grpc
import pytest
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.content_pb2 import RenderMessageRequest
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.raw_mails import mime
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import CALL, plain, reason, running, violations
from tests.support.streams import blob_frames

DOTS = mime(body=b".\r\n..\r\n.x\r\n\r\n.\r\n")
EIGHT_BIT = mime(body=b".\r\n\xe9\xff\xfe\r\n" * 50)
LARGE = mime(body=(b"." + b"\xe9" * 900 + b"\r\n") * 2000)
UTF8 = mime("X-Note: Bücher", body="é\r\n".encode())


def raw_request(data=None, **fields):
    content = {"blob": fields.pop("blob")} if "blob" in fields else {"data": data}
    raw = {
        "envelope_from": "bounces@example.com",
        "recipients": ["ada@example.com"],
        **fields,
    }
    return send_pb.SendMessageRequest(
        raw_message=message_pb.RawMessage(**content, **raw)
    )


def send(service, request):
    return service.stub.SendMessage(request, timeout=CALL).result


def upload(service, data):
    return service.stub.UploadBlob(blob_frames(data), timeout=CALL).blob.name


@pytest.mark.parametrize("data", [mime(), DOTS, EIGHT_BIT, LARGE, UTF8])
@pytest.mark.parametrize("way", ["at hand", "blob"])
def test_a_raw_mail_arrives_as_it_is_and_is_shown_so(service, data, way):
    request = (
        raw_request(data)
        if way == "at hand"
        else raw_request(blob=upload(service, data))
    )
    result = send(service, request)
    shown = service.stub.RenderMessage(
        RenderMessageRequest(delivery=result.delivery), timeout=CALL
    )

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.message_id == "<1@example.com>"
    assert service.relay.messages[0].data == data
    assert b"".join(frame.chunk for frame in shown) == data


def test_the_envelope_is_the_requests_and_not_the_headers(service):
    send(
        service, raw_request(mime(), recipients=["eve@example.net", "eve@EXAMPLE.net"])
    )
    (received,) = service.relay.messages

    assert received.envelope_from == "bounces@example.com"
    assert received.recipients == ("eve@example.net",)


OFFERS = {
    "no 8BITMIME": (("PIPELINING", "CHUNKING"), EIGHT_BIT),
    "no SMTPUTF8": (("PIPELINING", "8BITMIME"), UTF8),
}


@pytest.mark.parametrize(("offer", "data"), OFFERS.values(), ids=OFFERS)
def test_a_relay_that_cannot_take_it_is_sent_nothing(tmp_path, offer, data):
    script = PoliteRelay(extensions=offer)
    with (
        SandboxRelay() as sandbox,
        ScriptedRelay(script) as relay,
        running(tmp_path, {"main": plain(relay.port)}, sandbox) as service,
    ):
        result = send(service, raw_request(data))
    (recipient,) = result.recipients

    assert result.status == delivery_pb.DELIVERY_STATUS_FAILED
    assert recipient.reason == attempt_pb.FAILURE_REASON_NOT_SUPPORTED
    assert not result.is_retryable
    assert {"MAIL", "DATA", "BDAT"}.isdisjoint(script.verbs)


def test_a_raw_mail_that_is_tried_again_is_the_same(service):
    service.relay.fail_next("END", "451 4.3.0 later")
    result = send(service, raw_request(EIGHT_BIT))

    assert result.retry_count == 1
    assert service.relay.messages[0].data == EIGHT_BIT


def test_what_is_wrong_is_told_with_its_field(service):
    with pytest.raises(grpc.RpcError) as caught:
        send(service, raw_request(b"x", envelope_from="", recipients=[]))

    assert reason(caught.value) == "INVALID_MESSAGE"
    assert set(violations(caught.value)) == {
        "raw_message.data",
        "raw_message.envelope_from",
        "raw_message.recipients",
    }


def test_a_raw_mail_in_a_blob_is_checked_as_one_at_hand(service):
    name = upload(service, mime("From: eve@example.com"))
    with pytest.raises(grpc.RpcError) as caught:
        send(service, raw_request(blob=name))

    assert set(violations(caught.value)) == {"raw_message.blob"}
