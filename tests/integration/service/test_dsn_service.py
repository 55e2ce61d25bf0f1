"""Notifications, from the request to the relay and back into the attempt's record."""

from __future__ import annotations

import contextlib

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb

from tests.support.relays import ALL_EXTENSIONS, PoliteRelay
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, reason, running, violations

NEVER, SUCCESS = send_pb.DSN_NOTIFY_NEVER, send_pb.DSN_NOTIFY_SUCCESS
ASKED = send_pb.Dsn(
    notify=[SUCCESS], return_content=send_pb.DSN_RETURN_HEADERS, envelope_id="a b"
)
WITHOUT = tuple(e for e in ALL_EXTENSIONS if e != "DSN")


@contextlib.contextmanager
def beside(tmp_path, offer):
    """The service with a relay that offers that, and what the relay keeps."""
    script = PoliteRelay(offer)
    with (
        ScriptedRelay(script) as relay,
        running(tmp_path, {"main": plain(relay.port)}, None) as service,
    ):
        yield service, script


def test_the_relay_is_asked_for_each_recipient(service):
    service.send(to="ada@example.com b+c@example.com", dsn=ASKED)
    (mail,) = service.relay.messages

    assert mail.asked == (
        ("RET=HDRS", "ENVID=a+20b"),
        ("NOTIFY=SUCCESS", "ORCPT=rfc822;ada@example.com"),
        ("NOTIFY=SUCCESS", "ORCPT=rfc822;b+2Bc@example.com"),
    )


def test_the_id_is_the_delivery_s_unless_given(service):
    result = service.send(dsn=send_pb.Dsn(notify=[NEVER]))
    (mail,) = service.relay.messages

    assert mail.asked[0] == (f"ENVID={result.delivery.partition('/')[2]}",)
    assert mail.asked[1][0] == "NOTIFY=NEVER"


def test_a_mail_that_asks_for_nothing_has_no_parameters(service):
    service.send()

    assert service.relay.messages[0].asked == ((), ())


def test_a_raw_mail_may_ask_too(service):
    mime = b"From: me@example.com\r\nDate: Mon, 23 Nov 2026 00:00:00 +0000\r\n"
    raw = message_pb.RawMessage(
        data=mime + b"Message-ID: <1@example.com>\r\nSubject: x\r\n\r\nHi.\r\n",
        envelope_from="me@example.com",
        recipients=["ada@example.com"],
    )
    request = send_pb.SendMessageRequest(raw_message=raw, dsn=ASKED)
    service.stub.SendMessage(request, timeout=30)

    assert service.relay.messages[0].asked[0] == ("RET=HDRS", "ENVID=a+20b")


def test_every_attempt_asks_the_same(service):
    service.relay.fail_next("RCPT", "450 4.2.0 later")
    soon = send_pb.RetryPolicy(quick_delays=[Duration(nanos=100_000_000)])
    result = service.send(dsn=send_pb.Dsn(notify=[NEVER]), retry=soon)
    identity = result.delivery.partition("/")[2]

    assert result.retry_count == 1
    assert service.relay.messages[0].asked[0] == (f"ENVID={identity}",)


def test_a_relay_without_it_gets_the_mail_and_the_attempt_says_so(tmp_path):
    with beside(tmp_path, WITHOUT) as (service, script):
        result = service.send(dsn=ASKED)

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert "DSN" in result.attempts[0].detail
    assert result.detail == ""
    assert "ENVID" not in script.mails[0].sender
    assert script.mails[0].recipients == ("RCPT TO:<ada@example.com>",)


def test_an_attempt_that_asked_or_had_nothing_to_ask_says_nothing(tmp_path):
    with beside(tmp_path, ALL_EXTENSIONS) as (service, _):
        details = [service.send(dsn=d).attempts[0].detail for d in (ASKED, None)]

    assert details == ["", ""]


def test_a_mail_that_needs_it_fails_at_a_relay_without_it(tmp_path):
    with beside(tmp_path, WITHOUT) as (service, script):
        result = service.send(dsn=send_pb.Dsn(notify=[SUCCESS], required=True))
        again = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_NOT_SUPPORTED
    assert "DSN" in result.detail
    assert again.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(script.mails) == 1


def test_what_can_not_be_asked_is_refused_by_its_field(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(dsn=send_pb.Dsn(notify=[NEVER, SUCCESS], envelope_id="ä"))

    assert reason(caught.value) == "INVALID_REQUEST"
    assert {*violations(caught.value)} == {"dsn.notify", "dsn.envelope_id"}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (None, False),
        (send_pb.Dsn(), False),
        (send_pb.Dsn(notify=[SUCCESS], return_content=2, envelope_id="a b"), True),
        (send_pb.Dsn(notify=[SUCCESS], return_content=1, envelope_id="a b"), False),
        (send_pb.Dsn(notify=[SUCCESS], return_content=2, envelope_id="a c"), False),
        (send_pb.Dsn(notify=[NEVER], return_content=2, envelope_id="a b"), False),
    ],
    ids=["none", "empty", "same", "return", "id", "notify"],
)
def test_what_is_asked_is_part_of_the_request(service, other, same):
    service.send(request_id="r", dsn=ASKED)
    if same:
        assert service.send(request_id="r", dsn=other).replayed
        return
    with pytest.raises(grpc.RpcError) as caught:
        service.send(request_id="r", dsn=other)

    assert reason(caught.value) == "REQUEST_ID_REUSED"


def test_the_order_of_occasions_is_no_part_of_the_request(service):
    both = [SUCCESS, send_pb.DSN_NOTIFY_DELAY]
    service.send(request_id="r", dsn=send_pb.Dsn(notify=both))

    assert service.send(request_id="r", dsn=send_pb.Dsn(notify=both[::-1])).replayed
