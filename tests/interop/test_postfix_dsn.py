"""Notifications asked of Postfix: made where they were asked for, and not elsewhere."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.postfix import postfix
from tests.support.process import PAUSE
from tests.support.service import plain, running

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

NEVER, SUCCESS, FAILURE = (
    send_pb.DSN_NOTIFY_NEVER,
    send_pb.DSN_NOTIFY_SUCCESS,
    send_pb.DSN_NOTIFY_FAILURE,
)
# The sandbox behind Postfix refuses whom "bounce" is named.
GONE, HERE = "bounce@example.com", "ada@example.com"


@pytest.fixture(scope="module")
def next_hop():
    """Where Postfix hands mail on, its notifications too."""
    with SandboxRelay() as relay:
        yield relay


@pytest.fixture(scope="module")
def relay(next_hop):
    with postfix(next_hop.port) as port:
        yield port


@pytest.fixture
def service(relay, next_hop, tmp_path):
    with running(tmp_path, {"main": plain(relay)}, next_hop) as service:
        yield service


def notifications(next_hop) -> dict[str, EmailMessage]:
    """The notifications that came, by the id of what they are about."""
    mails = [
        email.message_from_bytes(mail.data, policy=email.policy.default)
        for mail in next_hop.messages
        if mail.envelope_from == ""
    ]
    return {field(mail, "Original-Envelope-Id"): mail for mail in mails}


def field(mail: EmailMessage, name: str) -> str:
    """The field of that name in the parts that are for machines (RFC 3464)."""
    for part in mail.walk():
        if part.get_content_subtype() in {"delivery-status", "global-delivery-status"}:
            text = part.as_bytes().decode()
            for line in text.splitlines():
                if line.lower().startswith(f"{name.lower()}:"):
                    return line.partition(":")[2].strip()
    return ""


def notified(next_hop, envelope_id: str) -> EmailMessage:
    """The notification about that mail, once it is there."""
    for _ in range(600):
        found = notifications(next_hop)
        if envelope_id in found:
            return found[envelope_id]
        PAUSE.wait(0.05)
    raise AssertionError(f"no notification among {[*found]}")


def send(service, to, **asked):
    result = service.send(to=to, dsn=send_pb.Dsn(**asked))
    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS, result


def test_a_failure_is_told_with_the_id_and_the_recipient(service, next_hop):
    send(service, GONE, notify=[FAILURE], envelope_id="order 17+=x")
    mail = notified(next_hop, "order 17+=x")

    assert field(mail, "Action") == "failed"
    assert field(mail, "Original-Recipient") == f"rfc822;{GONE}"


def test_never_is_never(service, next_hop):
    send(service, GONE, notify=[NEVER], envelope_id="never")
    send(service, GONE, notify=[FAILURE], envelope_id="after never")
    notified(next_hop, "after never")

    assert "never" not in notifications(next_hop)


def test_a_success_is_told_only_where_it_was_asked_for(service, next_hop):
    send(service, HERE, notify=[FAILURE], envelope_id="silent")
    send(service, HERE, notify=[SUCCESS], envelope_id="told")
    mail = notified(next_hop, "told")

    assert field(mail, "Action") == "relayed"
    assert "silent" not in notifications(next_hop)


@pytest.mark.parametrize("whole", [False, True], ids=["headers", "full"])
def test_as_much_is_returned_as_was_asked_for(service, next_hop, whole):
    kind = send_pb.DSN_RETURN_FULL if whole else send_pb.DSN_RETURN_HEADERS
    name = f"return {whole}"
    send(service, GONE, return_content=kind, envelope_id=name)
    raw = notified(next_hop, name).as_bytes()

    assert b"Subject: Hello" in raw
    assert (b"It works." in raw) is whole


def test_without_an_id_the_delivery_s_own_is_told(service, next_hop):
    result = service.send(to=GONE, dsn=send_pb.Dsn())

    assert notified(next_hop, result.delivery.partition("/")[2])


def test_an_address_with_a_plus_comes_back_as_it_was(service, next_hop):
    send(service, "bounce+b=c@example.com", envelope_id="plus")

    original = field(notified(next_hop, "plus"), "Original-Recipient")
    assert original == "rfc822;bounce+b=c@example.com"


def test_an_address_that_is_not_ascii_comes_back_as_it_was(service, next_hop):
    send(service, "bounce+при@example.com", envelope_id="utf8")

    original = field(notified(next_hop, "utf8"), "Original-Recipient")
    assert original == "utf-8;bounce+при@example.com"
