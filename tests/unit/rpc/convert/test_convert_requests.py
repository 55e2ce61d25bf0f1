from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import message_pb2
from postroom.v1 import send_pb2 as sending
from postroom_server.domain.draft import AttachmentDraft, MailboxDraft
from postroom_server.domain.errors import InvalidArgument
from postroom_server.domain.principal import OWNER, Principal
from postroom_server.domain.submission import RetryDraft, Submission
from postroom_server.rpc.convert.requests import (
    retry_request,
    sought_request_id,
    submission,
)

from tests.support.wire_fields import Leaf, is_map, leaves

RENAMED = {"text_body": "text", "html_body": "html", "raw_message": "message"}
# What is no part of a submission: the behaviour looks at it.
ELSEWHERE = {"validate_only"}


def samples(leaf: Leaf) -> tuple[Any, Any]:
    """A value for the field, and what the domain must hold for it."""
    field = leaf.path[-1]
    if is_map(field):
        return {"b": "2", "a": "1"}, (("a", "1"), ("b", "2"))
    if field.message_type is not None:
        if field.message_type.name == "Timestamp":
            return Timestamp(seconds=5, nanos=7000), 5_000_007
        return Duration(seconds=5, nanos=500_000_000), 5.5
    if field.enum_type is not None:
        last = field.enum_type.values[-1].number
        return last, last
    return {
        field.TYPE_STRING: (f"the {leaf}", f"the {leaf}"),
        field.TYPE_BYTES: (b"\0bytes", b"\0bytes"),
        field.TYPE_BOOL: (True, True),
        field.TYPE_INT32: (7, 7),
    }[field.type]


def reached(value: Any, leaf: Leaf) -> Any:
    """What stands at the same place in the domain's value."""
    for field in leaf.path:
        value = getattr(value, RENAMED.get(field.name, field.name))
        if field.is_repeated and not is_map(field):
            (value,) = value
    return value


def a_request(**fields: Any) -> sending.SendMessageRequest:
    return sending.SendMessageRequest(message=message_pb2.Message(), **fields)


def converted(request: sending.SendMessageRequest) -> Submission:
    return submission(request, OWNER, "")


@pytest.mark.parametrize(
    "leaf",
    [
        leaf
        for leaf in leaves(sending.SendMessageRequest.DESCRIPTOR)
        if str(leaf) not in ELSEWHERE
    ],
    ids=str,
)
def test_every_field_of_a_send_reaches_its_place(leaf):
    request = a_request()
    value, expected = samples(leaf)
    leaf.put(request, value)

    assert reached(converted(request), leaf) == expected


@pytest.mark.parametrize(
    "leaf",
    [
        leaf
        for leaf in leaves(looking.RetryDeliveryRequest.DESCRIPTOR)
        if str(leaf) != "delivery"
    ],
    ids=str,
)
def test_every_field_of_a_retry_reaches_its_place(leaf):
    request = looking.RetryDeliveryRequest(delivery="deliveries/1")
    value, expected = samples(leaf)
    leaf.put(request, value)

    assert reached(retry_request(request, OWNER), leaf) == expected


def test_an_empty_message_is_the_empty_draft():
    assert converted(a_request()) == Submission(message=converted(a_request()).message)
    assert converted(a_request()).message.from_mailbox is None


def test_the_caller_and_its_trace_are_kept():
    caller = Principal(tenant="acme", senders=("*@example.com",))
    found = submission(a_request(), caller, "0af7")

    assert (found.tenant, found.trace_id) == ("acme", "0af7")
    assert found.senders == ("*@example.com",)


def test_an_empty_body_is_told_apart_from_none():
    request = a_request()
    request.message.text_body = ""

    found = converted(request).message
    assert (found.text, found.html) == ("", None)


def test_an_empty_mailbox_is_told_apart_from_none():
    request = a_request()
    request.message.sender.SetInParent()

    found = converted(request).message
    assert (found.sender, found.from_mailbox) == (MailboxDraft(""), None)


@pytest.mark.parametrize("content", [{}, {"data": b""}, {"data_base64": ""}])
def test_an_attachment_tells_which_content_is_set(content):
    request = a_request()
    request.message.attachments.add(**content)

    assert converted(request).message.attachments == (
        AttachmentDraft(filename="", content_type="", **content),
    )


def test_the_order_of_recipients_is_kept():
    request = a_request()
    for name in ("c", "a", "b", "a"):
        request.message.to.add(address=name)

    assert [m.address for m in converted(request).message.to] == ["c", "a", "b", "a"]


def test_a_policy_left_at_its_defaults_is_none():
    assert converted(a_request(retry=sending.RetryPolicy())).retry == RetryDraft()


def test_a_send_without_a_mail_is_refused():
    with pytest.raises(InvalidArgument) as caught:
        converted(sending.SendMessageRequest(relay="relays/main"))

    assert [p.field for p in caught.value.problems] == ["message"]


BAD_TIME = Timestamp(seconds=1, nanos=1_000_000_000)
BAD_DURATION = Duration(seconds=-1)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"expire_at": BAD_TIME}, "expire_at"),
        ({"wait_timeout": BAD_DURATION}, "wait_timeout"),
        ({"retry": {"min_delay": BAD_DURATION}}, "retry.min_delay"),
        ({"retry": {"max_delay": BAD_DURATION}}, "retry.max_delay"),
        (
            {"retry": {"quick_delays": [Duration(), BAD_DURATION]}},
            "retry.quick_delays[1]",
        ),
    ],
)
def test_a_time_that_is_none_is_refused_with_its_path(fields, path):
    with pytest.raises(InvalidArgument) as caught:
        converted(a_request(**fields))

    assert [p.field for p in caught.value.problems] == [path]


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (looking.GetDeliveryRequest(), "delivery"),
        (looking.GetDeliveryRequest(request_id=""), "request_id"),
        (looking.GetDeliveryRequest(request_id="a b"), "request_id"),
        (looking.GetDeliveryRequest(request_id="a" * 257), "request_id"),
    ],
)
def test_a_selector_that_selects_nothing_is_refused(request_, path):
    with pytest.raises(InvalidArgument) as caught:
        sought_request_id(request_)

    assert [p.field for p in caught.value.problems] == [path]


@pytest.mark.parametrize(
    ("request_", "sought"),
    [
        (looking.GetDeliveryRequest(request_id="order-1"), "order-1"),
        (looking.GetDeliveryRequest(delivery="deliveries/1"), ""),
    ],
)
def test_a_delivery_is_sought_by_the_selector_that_is_set(request_, sought):
    assert sought_request_id(request_) == sought
