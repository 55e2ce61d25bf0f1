"""Whatever a delivering thread logs names the delivery that it is at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.telemetry import naming

from tests.support.deliveries import a_delivery

IDENTITY = {
    "delivery": "0" * 32,
    "relay": "main",
    "tenant": "default",
    "request_id": "mine",
}


def logged(**event):
    return dict(naming.add_delivery(None, "info", {"event": "e", **event}))


@pytest.fixture
def delivery():
    delivery = replace(a_delivery(request_id="mine"), trace_id="4b")
    named = naming.name(delivery)
    yield delivery
    naming.unname(named)


@pytest.mark.usefixtures("delivery")
def test_an_event_names_the_delivery_under_way():
    assert logged() == IDENTITY | {"trace_id": "4b", "event": "e"}


@pytest.mark.usefixtures("delivery")
def test_what_an_event_tells_itself_stands():
    assert logged(delivery="another")["delivery"] == "another"


def test_afterwards_what_was_named_before_is(delivery):
    another = naming.name(replace(delivery, id="1" * 32))
    assert logged()["delivery"] == "1" * 32

    naming.unname(another)

    assert logged()["delivery"] == delivery.id


def test_a_fact_that_there_is_not_is_not_told():
    named = naming.name(a_delivery())
    event = logged()
    naming.unname(named)

    assert "request_id" not in event
    assert "trace_id" not in event


def test_without_a_delivery_an_event_is_as_it_was():
    assert logged() == {"event": "e"}
