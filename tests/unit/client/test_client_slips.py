"""What is of a wrong type is told with the name of the argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from postroom import Client
from postroom._calls import delivery_name, list_request
from postroom._outgoing import to_send

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}


@pytest.fixture
def client():
    with Client("127.0.0.1:1") as client:
        yield client


@pytest.mark.parametrize(
    ("slip", "name"),
    [
        ({"to": 5}, "to"),
        ({"cc": [5]}, r"cc\[0\]"),
        ({"bcc": b"ada@example.com"}, "bcc"),
        ({"from_": 5}, "from"),
        ({"subject": 5}, "subject"),
        ({"subject": b"Hello"}, "subject"),
        ({"message_id": 5}, "message_id"),
        ({"relay": 5}, "relay"),
        ({"request_id": 5}, "request_id"),
        ({"headers": ["X"]}, r"headers\[0\]"),
        ({"headers": ["XY"]}, r"headers\[0\]"),
        ({"headers": {"X": 5}}, r"headers\[0\]"),
        ({"headers": 5}, "headers: "),
        ({"headers": "X: y"}, "headers: "),
        ({"attachments": 5}, "attachments: "),
        ({"attachments": "invoice.pdf"}, "attachments: "),
        ({"tags": 5}, "tags: "),
        ({"tags": ["a", 5]}, r"tags\[1\]: "),
        ({"metadata": 5}, "metadata: "),
        ({"send_at": 5}, "send_at: "),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(slip, name):
    with pytest.raises(TypeError, match=name):
        to_send(None, MAIL | slip, NOW)


def test_none_is_what_is_not_given():
    left_out = dict.fromkeys(["subject", "message_id", "cc", "from_", "relay"])
    with to_send(None, MAIL | left_out, NOW) as found:
        assert found.request.message.subject == ""


def test_a_condition_that_is_no_text_is_named():
    with pytest.raises(TypeError, match="recipient"):
        list_request({"recipient": 5}, NOW)


@pytest.mark.parametrize("delivery", [5, None, b"deliveries/1"])
def test_what_names_no_delivery_is_told(delivery):
    with pytest.raises(TypeError, match="delivery"):
        delivery_name(delivery)


def test_a_request_id_that_is_no_text_is_named(client):
    with pytest.raises(TypeError, match="request_id: "):
        client.get(request_id=5)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (-1, ValueError),
        (float("nan"), ValueError),
        (timedelta(seconds=-1), ValueError),
        ("5", TypeError),
    ],
)
def test_a_time_out_that_is_no_time_is_named(client, timeout, error):
    with pytest.raises(error, match="timeout"):
        client.send(**MAIL, timeout=timeout)
    with pytest.raises(error, match="timeout"):
        Client("127.0.0.1:1", timeout=timeout)
