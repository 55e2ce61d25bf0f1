from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from postroom.v1 import send_pb2
from postroom.v1.delivery_requests_pb2 import ListDeliveriesRequest
from postroom_server.domain.errors import MalformedRequest, UnknownField
from postroom_server.rpc.decode import PROBLEMS_LIMIT, decode
from postroom_server.rpc.methods import DELIVERY_SERVICE

UNKNOWN = b"\xb8\x3e\x01"  # field 999, a varint
Request = send_pb2.SendMessageRequest


def refused(request):
    with pytest.raises(UnknownField) as caught:
        decode(type(request), request.SerializeToString())
    return [problem.field for problem in caught.value.problems]


def test_a_request_that_we_know_comes_through_unchanged():
    request = Request(relay="relays/main", completion=2)
    request.message.subject = "hällo"
    request.expire_at.seconds = 5

    assert decode(Request, request.SerializeToString()) == request


def test_nothing_at_all_is_a_request():
    assert decode(Request, b"") == Request()


def outcome(raw):
    try:
        return type(decode(Request, raw))
    except MalformedRequest:
        return MalformedRequest
    except UnknownField as error:
        return UnknownField if error.problems else "refused without a reason"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused_with_a_reason(raw):
    assert outcome(raw) in {Request, MalformedRequest, UnknownField}


def test_unknown_fields_are_named_wherever_they_are():
    request = Request()
    request.MergeFromString(UNKNOWN)
    request.message.to.add(address="a@example.com")
    request.message.to.add().MergeFromString(UNKNOWN)
    request.expire_at.MergeFromString(UNKNOWN)

    assert refused(request) == ["999", "message.to[1].999", "expire_at.999"]


def places(request):
    """Where an unknown field may be, the only one, and its path."""
    message = request.message
    yield request, "999"
    yield message, "message.999"
    yield message.from_mailbox, "message.from_mailbox.999"
    yield message.to.add(), "message.to[0].999"
    yield message.attachments.add(), "message.attachments[0].999"
    yield request.expire_at, "expire_at.999"


@pytest.mark.parametrize("place", range(6))
def test_one_unknown_field_is_found_wherever_it_is(place):
    request = Request()
    inside, path = list(places(request))[place]
    inside.MergeFromString(UNKNOWN)

    assert refused(request) == [path]


@pytest.mark.parametrize(
    ("put", "path"),
    [
        (lambda r: setattr(r, "priority", 98), "priority"),
        (lambda r: r.dsn.notify.append(98), "dsn.notify[0]"),
        (lambda r: setattr(r.dsn, "return_content", -3), "dsn.return_content"),
        (
            lambda r: r.message.attachments.add(disposition=98),
            "message.attachments[0].disposition",
        ),
    ],
)
def test_one_unknown_value_is_found_wherever_it_is(put, path):
    request = Request()
    put(request)

    assert refused(request) == [path]


def test_an_unknown_field_that_comes_twice_is_one_problem():
    request = Request()
    request.MergeFromString(UNKNOWN * 2)

    assert refused(request) == ["999"]


def test_unknown_values_are_named_wherever_they_are():
    request = ListDeliveriesRequest()
    request.filter.statuses.extend([1, 98, 2, -3])

    assert refused(request) == ["filter.statuses[1]", "filter.statuses[3]"]


def test_the_number_of_problems_is_bounded():
    request = ListDeliveriesRequest()
    request.filter.statuses.extend([98] * 5000)

    assert len(refused(request)) == PROBLEMS_LIMIT


def test_a_lenient_request_may_hold_what_we_do_not_know():
    assert decode(Request, UNKNOWN, strict=False).completion == 0


def entry(*fields):
    """A map entry as field 13, the metadata of a send."""
    raw = b"".join(fields)
    return bytes([13 << 3 | 2, len(raw)]) + raw


KEY, VALUE, OTHER = b"\x0a\x01a", b"\x12\x01b", b"\x12\x01c"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (entry(KEY, VALUE), {"a": "b"}),
        (entry(VALUE, KEY), {"a": "b"}),
        (entry(KEY, VALUE, OTHER), {"a": "c"}),
        (entry(KEY, VALUE) + entry(KEY, OTHER), {"a": "c"}),
        (entry(KEY), {"a": ""}),
        (entry(), {"": ""}),
    ],
)
def test_of_a_map_the_last_of_a_name_counts(raw, expected):
    assert dict(decode(Request, raw).metadata) == expected


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (entry(KEY, VALUE, UNKNOWN), ["metadata"]),
        (entry(KEY, VALUE) + entry(b"\x08\x01", VALUE), ["metadata"]),
        (entry(KEY, VALUE) + UNKNOWN, ["999"]),
        (UNKNOWN + entry(KEY, VALUE, UNKNOWN), ["metadata", "999"]),
    ],
    ids=["in an entry", "of another type", "beside", "both"],
)
def test_unknown_fields_are_found_in_and_beside_maps(raw, paths):
    with pytest.raises(UnknownField) as caught:
        decode(Request, raw)

    assert [problem.field for problem in caught.value.problems] == paths


def test_unknown_fields_are_found_beside_a_map_further_down():
    request = ListDeliveriesRequest()
    request.filter.metadata["a"] = "b"
    request.filter.MergeFromString(UNKNOWN)

    assert refused(request) == ["filter.999"]


def test_a_map_of_text_that_is_no_utf8_is_refused():
    with pytest.raises(MalformedRequest):
        decode(Request, entry(KEY, b"\x12\x01\xff"))


def test_the_maps_of_the_contract_hold_text_alone():
    def maps(kind, above=()):
        for field in kind.fields:
            below = field.message_type
            if below is not None and below not in above:
                if below.GetOptions().map_entry:
                    yield below
                yield from maps(below, (*above, below))

    inputs = [method.input_type for method in DELIVERY_SERVICE.methods]
    found = [
        field.type for kind in inputs for map_ in maps(kind) for field in map_.fields
    ]

    assert found
    assert set(found) == {FieldDescriptor.TYPE_STRING}
