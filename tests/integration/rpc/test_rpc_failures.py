"""Whatever goes wrong in a behaviour, the caller gets an answer, and nothing secret."""

from __future__ import annotations

import grpc
import pytest
import structlog
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest
from postroom.v1.stats_pb2 import GetStatsResponse
from postroom_server.domain.errors import (
    DeliveryNotFound,
    InvalidMessage,
    Problem,
    StoreFull,
)

SECRET = "hunter2-the-password"


def raising(error):
    def behaviour(_request, _call):
        raise error

    return behaviour


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        SystemExit(SECRET),
        KeyboardInterrupt(SECRET),
        GeneratorExit(SECRET),
        grpc.RpcError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bug_is_answered_without_its_text(serve, refused, error):
    running = serve({"GetDelivery": raising(error)})
    with structlog.testing.capture_logs() as logs:
        answer = refused(running.stub().GetDelivery, GetDeliveryRequest())

    assert answer.code is grpc.StatusCode.INTERNAL
    assert answer.info.reason == "INTERNAL"
    assert SECRET not in f"{answer.text} {answer.trailers}"
    bugs = [log for log in logs if log["event"] == "rpc.bug"]
    assert [bug["incident"] for bug in bugs] == [answer.info.metadata["incident"]]
    assert bugs[0]["exc_info"] is error


@pytest.mark.parametrize("response", [None, GetStatsResponse()], ids=["none", "other"])
def test_an_answer_of_the_wrong_type_is_a_bug(serve, refused, response):
    running = serve({"GetDelivery": lambda _request, _call: response})
    answer = refused(running.stub().GetDelivery, GetDeliveryRequest())

    assert answer.info.reason == "INTERNAL"


def test_a_refusal_carries_its_reason_and_the_call_s_id(serve, refused):
    running = serve({"GetDelivery": raising(DeliveryNotFound("deliveries/7"))})
    answer = refused(
        running.stub().GetDelivery,
        GetDeliveryRequest(),
        metadata=[("x-request-id", "mine-1")],
    )

    assert answer.code is grpc.StatusCode.NOT_FOUND
    assert answer.info.domain == "postroom"
    assert answer.info.reason == "DELIVERY_NOT_FOUND"
    assert answer.info.metadata["request_id"] == "mine-1"
    assert answer.trailers["x-request-id"] == "mine-1"
    assert answer.status.message == answer.text


def test_a_full_store_is_not_to_be_tried_again(serve, refused):
    running = serve({"GetDelivery": raising(StoreFull("the disk is full"))})
    answer = refused(running.stub().GetDelivery, GetDeliveryRequest())

    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answer.trailers["grpc-retry-pushback-ms"] == "-1"


def test_five_hundred_problems_still_reach_the_caller(serve, refused):
    problems = [Problem(f"message.to[{n}].address", "é" * 400) for n in range(500)]
    running = serve({"GetDelivery": raising(InvalidMessage(problems))})
    answer = refused(running.stub().GetDelivery, GetDeliveryRequest())
    listed = len(answer.bad_request.field_violations)

    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert answer.info.reason == "INVALID_MESSAGE"
    assert listed > 0
    assert answer.info.metadata["omitted"] == str(500 - listed)
    assert answer.status.ByteSize() <= 4096


def test_an_observer_that_fails_does_not_change_the_call(serve):
    running = serve()
    running.records.all = None
    with structlog.testing.capture_logs() as logs:
        running.stub().GetDelivery(GetDeliveryRequest(), timeout=20)

    assert [log["event"] for log in logs] == ["rpc.observer_failed"]
