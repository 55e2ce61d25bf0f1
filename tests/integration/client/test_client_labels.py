"""What goes with a mail, by both clients."""

from __future__ import annotations

from postroom import Dsn, Unsubscribe
from postroom.v1 import delivery_requests_pb2, send_pb2

from tests.integration.client.answers import delivery

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}


def test_what_goes_with_a_mail_reaches_the_service(client, service):
    client.send(
        **MAIL,
        tags=["a", "b"],
        metadata={"order": "17"},
        dsn=Dsn(notify="never", required=True),
        unsubscribe=Unsubscribe(mailto="out@example.com"),
    )
    (request,) = service.requests

    assert list(request.tags) == ["a", "b"]
    assert dict(request.metadata) == {"order": "17"}
    assert request.dsn == send_pb2.Dsn(
        notify=[send_pb2.DSN_NOTIFY_NEVER], required=True
    )
    assert request.message.unsubscribe.mailto == "out@example.com"


def test_mails_are_listed_by_labels_page_by_page(client, service):
    page = delivery_requests_pb2.ListDeliveriesResponse
    tagged = delivery(tags=["a"], metadata={"order": "17"})
    service.script(
        "ListDeliveries",
        page(deliveries=[tagged], next_page_token="more"),
        page(deliveries=[tagged]),
    )
    found = list(client.list(tag="a", metadata={"order": "17"}))

    assert [(d.tags, d.metadata) for d in found] == [(("a",), {"order": "17"})] * 2
    filters = [request.filter for request in service.requests]
    assert {f.tag for f in filters} == {"a"}
    assert all(dict(f.metadata) == {"order": "17"} for f in filters)


def test_labels_are_in_the_plain_form(client, service):
    answer = delivery_requests_pb2.GetDeliveryResponse(
        delivery=delivery(tags=["a"], metadata={"order": "17"})
    )
    service.script("GetDelivery", answer)
    plain = client.get("deliveries/0198").to_dict()

    assert (plain["tags"], plain["metadata"]) == (["a"], {"order": "17"})
