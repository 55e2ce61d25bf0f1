"""A request with far too many fields is refused before it costs anything."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.v1.delivery_requests_pb2 import (
    ListDeliveriesRequest,
    RetryDeliveryRequest,
)
from postroom.v1.send_pb2 import SendMessageRequest
from postroom_server.domain.errors import (
    InvalidArgument,
    InvalidMessage,
    InvalidRequestError,
    MalformedRequest,
    UnknownField,
)
from postroom_server.rpc.decode import decode
from postroom_server.rpc.flood import FIELDS_MOST, refuse_flood

KIND = SendMessageRequest.DESCRIPTOR
MANY = FIELDS_MOST + 1
UNKNOWN = b"\xb8\x3e\x01"  # field 999, a varint


def varint(value):
    octets = b""
    while value > 0x7F:
        octets += bytes([value & 0x7F | 0x80])
        value >>= 7
    return octets + bytes([value])


def within(number, raw):
    return varint(number << 3 | 2) + varint(len(raw)) + raw


@pytest.mark.parametrize(
    ("kind", "raw", "error", "path"),
    [
        (
            SendMessageRequest,
            within(1, b"\x22\x00" * MANY),
            InvalidMessage,
            "message.to",
        ),
        (
            SendMessageRequest,
            within(1, within(4, b"\x0a\x01a") * (MANY // 2 + 1)),
            InvalidMessage,
            "message.to",
        ),
        (
            SendMessageRequest,
            within(7, b"\x12\x00" * MANY),
            InvalidArgument,
            "retry.quick_delays",
        ),
        (
            RetryDeliveryRequest,
            within(RetryDeliveryRequest.RECIPIENTS_FIELD_NUMBER, b"") * MANY,
            InvalidArgument,
            "recipients",
        ),
        (
            ListDeliveriesRequest,
            within(3, within(1, b"\x01" * MANY)),
            InvalidArgument,
            "filter.statuses",
        ),
        (
            SendMessageRequest,
            within(13, within(1, b"a") + within(2, b"b")) * (MANY // 2),
            InvalidArgument,
            "metadata",
        ),
        (
            ListDeliveriesRequest,
            within(3, within(5, b"") * MANY),
            InvalidArgument,
            "filter.metadata",
        ),
        (SendMessageRequest, UNKNOWN * MANY, UnknownField, "999"),
        (SendMessageRequest, within(1, UNKNOWN * MANY), UnknownField, "message.999"),
        (SendMessageRequest, b"\xbb\x3e\xbc\x3e" * MANY, UnknownField, "999"),
    ],
    ids=[
        "empty",
        "recipients",
        "delays",
        "texts",
        "packed",
        "pairs",
        "empty pairs",
        "unknown",
        "deep",
        "groups",
    ],
)
def test_a_flood_is_refused_by_the_field_that_there_is_most_of(kind, raw, error, path):
    with pytest.raises(InvalidRequestError) as caught:
        decode(kind, raw)

    assert type(caught.value) is error
    assert [problem.field for problem in caught.value.problems] == [path]


def test_the_largest_real_mail_is_no_flood():
    request = SendMessageRequest(relay="relays/main", request_id="x")
    message = request.message
    for _ in range(1000):
        message.bcc.add(address="ada@example.com", name="Ada")
        message.headers.add(name="X-Name", value="a value")
        message.attachments.add(
            filename="a", content_type="a/b", data=b"x", disposition=2, content_id="c"
        )

    assert decode(SendMessageRequest, request.SerializeToString()) == request


def test_a_long_text_is_one_field():
    refuse_flood(within(1, within(9, b"\x22\x00" * 1_000_000)), KIND)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x0a\x80\xad\xe2\x04"]))
def test_any_bytes_are_counted_or_left_to_the_parser(raw, head):
    with suppress(InvalidRequestError):
        refuse_flood(head + raw + b"\x22" * MANY, KIND)


@pytest.mark.parametrize("octets", [b"\xff", b"\x22\x00", b"\x08\x00", b"\xf8\x3f\x01"])
def test_ten_megabytes_cost_no_time(octets):
    raw = within(1, octets * (10_000_000 // len(octets)))
    begun = time.process_time()
    with suppress(InvalidRequestError):
        refuse_flood(raw, KIND)

    assert time.process_time() - begun < 1.0


LARGE = within(1, within(9, b"a" * FIELDS_MOST))
"""A mail with a long text: it is walked."""
SMALL = within(1, within(9, b"a"))
NUMBERS = st.integers(1, 30) | st.integers(900, 999)
FIELD = st.one_of(
    st.builds(lambda n, v: varint(n << 3) + varint(v), NUMBERS, st.integers(0, 9)),
    st.builds(within, NUMBERS, st.binary(max_size=9)),
    st.builds(lambda n: varint(n << 3 | 1) + b"8 octets", NUMBERS),
    st.builds(lambda n: varint(n << 3 | 5) + b"four", NUMBERS),
    st.builds(lambda n: varint(n << 3 | 3) + varint(n << 3 | 4), NUMBERS),
)
FIELDS = st.recursive(
    st.lists(FIELD, max_size=3).map(b"".join),
    lambda inner: st.builds(within, NUMBERS, inner),
    max_leaves=4,
)


@given(FIELDS)
def test_a_large_request_may_hold_what_a_small_one_may(raw):
    assert came_of(raw + LARGE) == came_of(raw + SMALL)


def came_of(raw):
    """What becomes of a request, and what is wrong with it."""
    try:
        decode(SendMessageRequest, raw)
    except InvalidRequestError as error:
        return [problem.field for problem in error.problems]
    except MalformedRequest:
        return "malformed"
    return "taken"
