"""Each method through a real server, with an engine that answers from a script."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import grpc
import pytest
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import (
    message_pb2,
    send_pb2,
    stats_pb2,
)
from postroom_server.delivery.looking import Cancellation
from postroom_server.delivery.reopening import RetryRequest
from postroom_server.delivery.sending import Answer
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.errors import DeliveryNotFound, TooLate
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import RecipientPlan, ValidationReport

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, a_delivery, under_way
from tests.support.scripted_engine import CALL, ScriptedEngine, behaviours

ID = "7" * 32
NAME = f"deliveries/{ID}"
SENT = replace(a_delivery(R.DELIVERED), id=ID, sent_at=NOW)
REPORT = ValidationReport(
    size_bytes=7,
    relay="relays/main",
    envelope_from="<>",
    recipients=(RecipientPlan("a@example.com", "a@example.com"),),
)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stub(serve, engine, clock):
    return serve(behaviours(engine, clock)).stub()


def a_request(**fields: Any) -> send_pb2.SendMessageRequest:
    return send_pb2.SendMessageRequest(
        message=message_pb2.Message(subject="Hello"), **fields
    )


def paths(refusal) -> list[str]:
    return [v.field for v in refusal.bad_request.field_violations]


def test_a_mail_is_sent_and_its_fate_told(engine, stub):
    engine.answer = Answer(SENT, replayed=True)
    response = stub.SendMessage(a_request(request_id="order-1"), timeout=CALL)

    assert response.result.delivery == NAME
    assert response.result.replayed
    ((_, submission, _),) = engine.calls
    assert (submission.message.subject, submission.request_id) == ("Hello", "order-1")
    assert submission.tenant == "default"


def test_the_fate_of_a_refused_mail_is_data(engine, stub):
    no = Reply(550, "5.1.1", "no such user", Phase.RCPT)
    refused = replace(
        SENT.recipients[0], status=R.REFUSED, reason=FailureReason.POLICY, reply=no
    )
    engine.answer = Answer(replace(SENT, recipients=(refused,)))
    result = stub.SendMessage(a_request(), timeout=CALL).result

    assert (result.status, result.smtp_error.code) == (DeliveryStatus.REJECTED, 550)


def test_a_mail_is_sent_within_its_callers_trace(engine, stub):
    engine.answer = Answer(SENT)
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = (("traceparent", f"00-{trace}-b7ad6b7169203331-01"),)
    stub.SendMessage(a_request(), timeout=CALL, metadata=parent)

    assert engine.calls[0][1].trace_id == trace


def test_a_mail_that_is_only_checked_is_not_sent(engine, stub):
    engine.answer = REPORT
    response = stub.SendMessage(a_request(validate_only=True), timeout=CALL)

    assert response.validation.size_bytes == 7
    assert [call[0] for call in engine.calls] == ["validate"]


def test_a_caller_that_leaves_is_noticed(engine, stub):
    engine.answer = Answer(SENT)
    engine.left = threading.Event()
    call = stub.SendMessage.future(a_request(), timeout=CALL)
    assert engine.begun.wait(CALL)
    call.cancel()

    assert engine.left.wait(CALL)


def test_a_send_without_a_mail_is_refused(engine, stub, refused):
    refusal = refused(stub.SendMessage, send_pb2.SendMessageRequest())

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.info.reason == "INVALID_REQUEST"
    assert paths(refusal) == ["message"]
    assert engine.calls == []


def test_a_delivery_is_found_by_its_name(engine, stub):
    engine.answer = SENT
    found = stub.GetDelivery(looking.GetDeliveryRequest(delivery=NAME), timeout=CALL)

    assert found.delivery.name == NAME
    assert found.delivery.result.recipients
    assert engine.calls == [("get", "default", ID)]


def test_a_delivery_is_found_by_its_request(engine, stub):
    engine.answer = SENT
    request = looking.GetDeliveryRequest(request_id="order-1")
    found = stub.GetDelivery(request, timeout=CALL)

    assert found.delivery.name == NAME
    assert engine.calls == [("find", "default", "order-1")]


def test_a_delivery_is_shown_in_brief_when_asked(engine, stub):
    engine.answer = SENT
    request = looking.GetDeliveryRequest(
        delivery=NAME, view=looking.DELIVERY_VIEW_BASIC
    )

    assert not stub.GetDelivery(request, timeout=CALL).delivery.result.recipients


def test_an_unknown_delivery_is_not_found(engine, stub, refused):
    engine.answer = DeliveryNotFound(NAME)
    refusal = refused(stub.GetDelivery, looking.GetDeliveryRequest(delivery=NAME))

    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert refusal.info.reason == "DELIVERY_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("GetDelivery", looking.GetDeliveryRequest),
        ("CancelDelivery", looking.CancelDeliveryRequest),
        ("RetryDelivery", looking.RetryDeliveryRequest),
    ],
)
@pytest.mark.parametrize("name", ["", "7", "deliveries/", "relays/main"])
def test_what_names_no_delivery_is_refused(engine, stub, refused, method, kind, name):
    refusal = refused(getattr(stub, method), kind(delivery=name))

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert paths(refusal) == ["delivery"]
    assert engine.calls == []


@pytest.mark.parametrize(
    ("delivery", "outcome"),
    [
        (a_delivery(R.CANCELLED), looking.CANCEL_OUTCOME_CANCELLED),
        (under_way(R.PENDING), looking.CANCEL_OUTCOME_PENDING),
    ],
    ids=["over", "under way"],
)
def test_a_delivery_is_taken_back(engine, stub, delivery, outcome):
    engine.answer = Cancellation(delivery, pending=not delivery.status.is_final)
    request = looking.CancelDeliveryRequest(delivery=NAME, request_id="undo-1")
    response = stub.CancelDelivery(request, timeout=CALL)

    assert response.outcome == outcome
    assert response.result.delivery == delivery.name
    assert engine.calls == [("cancel", "default", ID, "undo-1")]


def test_what_is_sent_is_not_taken_back(engine, stub, refused):
    engine.answer = TooLate("its end of data was sent", NAME)
    request = looking.CancelDeliveryRequest(delivery=NAME)
    refusal = refused(stub.CancelDelivery, request)

    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.info.reason == "TOO_LATE"


def test_a_delivery_goes_on(engine, stub):
    engine.answer = Answer(SENT, replayed=True)
    request = looking.RetryDeliveryRequest(delivery=NAME, recipients=["a@example.com"])
    response = stub.RetryDelivery(request, timeout=CALL)

    assert response.result.replayed
    ((_, asked, _),) = engine.calls
    assert asked == RetryRequest(
        tenant="default", delivery_id=ID, recipients=("a@example.com",)
    )


def test_every_method_of_the_contract_has_a_behaviour(engine, clock):
    declared = stats_pb2.DESCRIPTOR.pool.FindServiceByName(
        "postroom.v1.DeliveryService"
    )

    assert set(behaviours(engine, clock)) == {
        method.name for method in declared.methods
    }
