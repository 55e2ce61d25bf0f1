"""What goes with a mail, through the whole service: labels, ways to unsubscribe."""

from __future__ import annotations

import email

import grpc
import pytest
from postroom import Client, Conflict, Dsn, Unsubscribe
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb

from tests.support.service import CALL, reason, violations


def listed(service, size=0, token="", **conditions):
    """A page of deliveries."""
    return service.stub.ListDeliveries(
        requests_pb.ListDeliveriesRequest(
            filter=requests_pb.DeliveryFilter(**conditions),
            page_size=size,
            page_token=token,
        ),
        timeout=CALL,
    )


def names(service, **conditions):
    return [d.name for d in listed(service, **conditions).deliveries]


def test_labels_are_kept_as_they_were_given_and_stay_out_of_the_mail(service):
    labels = {"metadata": {"order": "ORD-17", "note": "Grüße\r\n"}, "tags": ["b", "a"]}
    found = service.get(service.send(**labels).delivery)

    assert dict(found.metadata) == labels["metadata"]
    assert list(found.tags) == labels["tags"]
    (mail,) = service.relay.messages
    assert b"ORD-17" not in mail.data
    assert b"order" not in mail.data


def test_deliveries_are_found_by_tag_and_by_all_pairs(service):
    first = service.send(metadata={"a": "1", "b": "1"}, tags=["x"]).delivery
    second = service.send(metadata={"a": "1", "b": "2"}, tags=["x", "y"]).delivery
    service.send()

    assert names(service, tag="x") == [second, first]
    assert names(service, tag="y") == [second]
    assert names(service, metadata={"a": "1"}) == [second, first]
    assert names(service, metadata={"a": "1", "b": "1"}) == [first]
    assert names(service, tag="y", metadata={"a": "1", "b": "1"}) == []


def test_a_page_token_belongs_to_its_labels(service):
    for _ in range(2):
        service.send(metadata={"a": "1", "b": "1"}, tags=["x", "y"])
    token = listed(service, 1, tag="x", metadata={"a": "1"}).next_page_token

    assert len(listed(service, 1, token, tag="x", metadata={"a": "1"}).deliveries) == 1
    for other in ({"tag": "y", "metadata": {"a": "1"}}, {"tag": "x"}):
        with pytest.raises(grpc.RpcError) as caught:
            listed(service, 1, token, **other)
        assert reason(caught.value) == "INVALID_TOKEN"


def test_a_mail_tells_how_to_unsubscribe(service):
    way = message_pb.Unsubscribe(
        url="https://example.com/u?t=1", mailto="out@example.com", one_click=True
    )
    service.send(message={"unsubscribe": way})
    (mail,) = service.relay.messages
    found = email.message_from_bytes(mail.data)

    listed_ways = "<https://example.com/u?t=1>, <mailto:out@example.com>"
    assert found["List-Unsubscribe"].replace("\r\n", "") == listed_ways
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_way_to_unsubscribe_that_is_none_is_refused_by_its_field(service):
    way = message_pb.Unsubscribe(url="http://example.com/", mailto="out")
    with pytest.raises(grpc.RpcError) as caught:
        service.send(message={"unsubscribe": way})

    assert {*violations(caught.value)} == {
        "message.unsubscribe.url",
        "message.unsubscribe.mailto",
    }


def test_every_label_that_is_none_is_told_at_once(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(
            message={"subject": ""}, metadata={"A": "", "b": "x" * 257}, tags=["a", "a"]
        )

    assert reason(caught.value) == "INVALID_MESSAGE"
    assert {*violations(caught.value)} == {
        "message.subject",
        "metadata",
        "metadata[b]",
        "tags[1]",
    }


def test_a_mail_that_is_valid_with_labels_that_are_not_is_an_invalid_request(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(tags=["not one"])

    assert reason(caught.value) == "INVALID_REQUEST"


def test_a_mail_that_goes_in_pieces_carries_them_too(service):
    mail = {
        "to": "ada@example.com",
        "from_": "me@example.com",
        "subject": "Hello",
        "text": "0123456789abcdef\n" * 700_000,
        "request_id": "large",
        "tags": ["x"],
        "metadata": {"order": "17"},
        "dsn": Dsn(notify="never"),
        "unsubscribe": Unsubscribe(mailto="out@example.com"),
    }
    with Client(service.app.server.address) as client:
        result = client.send(**mail)
        found = client.get(result)
        again = client.send(**{**mail, "tags": ["x"]})
        with pytest.raises(Conflict):
            client.send(**{**mail, "tags": ["y"]})

    assert (found.tags, found.metadata) == (("x",), {"order": "17"})
    assert again.replayed
    (received,) = service.relay.messages
    assert received.asked[1][0] == "NOTIFY=NEVER"
    assert b"\r\nList-Unsubscribe: <mailto:out@example.com>\r\n" in received.data[:2000]
