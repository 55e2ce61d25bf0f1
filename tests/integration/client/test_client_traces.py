from __future__ import annotations

import sys
from types import SimpleNamespace

import grpc
import pytest

from tests.integration.client.answers import sent
from tests.support.fake_service import Refusal

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}
BUSY = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED")
GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def span(monkeypatch):
    """OpenTelemetry's current span: what its API shows of one."""
    span = SimpleNamespace(trace_id=0xABC, span_id=0xDEF, trace_flags=1)
    current = SimpleNamespace(get_span_context=lambda: span)
    api = SimpleNamespace(get_current_span=lambda: current)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)
    return span


@pytest.mark.parametrize(
    "call",
    [
        lambda client, **more: client.send(**MAIL, **more),
        lambda client, **more: client.validate(**MAIL, **more),
        lambda client, **more: client.get("0198", **more),
        lambda client, **more: list(client.list(**more)),
        lambda client, **more: client.cancel("0198", **more),
        lambda client, **more: client.retry("0198", **more),
        lambda client, **more: client.test_connection(**more),
        lambda client, **more: client.stats(**more),
        lambda client, **more: client.server_info(**more),
        lambda client, **more: client.health(**more),
    ],
)
def test_every_call_carries_the_trace_that_is_given(client, service, call):
    call(client, traceparent=GIVEN)

    assert service.metadata[0]["traceparent"] == GIVEN


def test_every_attempt_carries_it(client, service):
    service.script("SendMessage", BUSY, sent())
    client.send(**MAIL, traceparent=GIVEN)

    assert [call["traceparent"] for call in service.metadata] == [GIVEN, GIVEN]


def test_a_call_outside_of_any_trace_carries_none(client, service):
    client.send(**MAIL)

    assert "traceparent" not in service.metadata[0]


def test_the_current_span_is_carried_where_there_is_one(client, service, span):
    client.send(**MAIL)

    assert service.metadata[0]["traceparent"] == f"00-{0xABC:032x}-{0xDEF:016x}-01"


def test_what_is_given_goes_before_the_current_span(client, service, span):
    client.send(**MAIL, traceparent=GIVEN)

    assert service.metadata[0]["traceparent"] == GIVEN


def test_no_span_is_no_trace(client, service, span):
    span.trace_id = span.span_id = span.trace_flags = 0
    client.send(**MAIL)

    assert "traceparent" not in service.metadata[0]


def test_a_trace_that_is_not_valid_does_not_hold_up_the_mail(client, service):
    service.script("SendMessage", sent())

    assert client.send(**MAIL, traceparent="rubbish\r\nx: y").delivered
    assert "traceparent" not in service.metadata[0]


@pytest.mark.parametrize(
    ("request_id", "carried"),
    [("order-1", "order-1"), ("two words", None), ("x" * 65, None)],
)
def test_the_request_id_names_the_call_where_a_call_can_have_that_name(
    client, service, request_id, carried
):
    client.send(**MAIL, request_id=request_id)

    assert service.metadata[0].get("x-request-id") == carried
