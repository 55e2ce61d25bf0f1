"""RetryDelivery, and a request that is made again, pass the gates of new mail."""

from __future__ import annotations

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.relay_control import PauseOrder
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.pacing import Circuit

from tests.support.service import CALL, a_request, plain, reason, running

CIRCUIT = Circuit()

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
FAILED = delivery_pb.DELIVERY_STATUS_FAILED
TEMP_FAILED = delivery_pb.DELIVERY_STATUS_TEMP_FAILED
RETRY = delivery_pb.DELIVERY_STATUS_RETRY
OR_QUEUED = send_pb.COMPLETION_RELAYED_OR_QUEUED
NO_RETRY = send_pb.RetryPolicy(disabled=True)
PAUSE = PauseOrder("relays/main", "repairs")


def retry(service, name, timeout=CALL, **fields):
    request = requests_pb.RetryDeliveryRequest(delivery=name, **fields)
    return service.stub.RetryDelivery(request, timeout=timeout).result


def refused(call, *arguments, **fields):
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **fields)
    return error.value.code(), reason(error.value)


def put_off(service, **fields):
    """A mail that its relay put off; it would take it now."""
    service.relay.fail_next("MAIL", "451 4.3.0 not now")
    result = service.send(retry=NO_RETRY, **fields)
    assert result.status == TEMP_FAILED
    return result.delivery


@pytest.fixture
def slow(tmp_path, relay):
    keys = plain(relay.port, max_per_second=0.01, burst=1)
    with running(tmp_path, {"main": keys}, relay) as service:
        yield service


def test_a_retry_beyond_the_relays_limit_is_refused_and_changes_nothing(slow):
    name = put_off(slow)
    before = slow.get(name)

    error = refused(retry, slow, name)

    assert error == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert slow.get(name) == before


def test_a_retry_that_may_be_queued_is_queued_when_its_turn_is_far(slow):
    name = put_off(slow)

    result = retry(slow, name, completion=OR_QUEUED)

    assert not result.is_final
    assert result.recipients[0].status == delivery_pb.RECIPIENT_STATUS_PENDING


def test_a_request_that_is_made_again_waits_for_its_turn_or_is_refused(slow):
    name = put_off(slow, request_id="order-7")
    request = a_request(retry=NO_RETRY, request_id="order-7")

    error = refused(slow.stub.SendMessage, request, timeout=CALL)

    assert error == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert slow.get(name).result.status == TEMP_FAILED


def test_a_paused_relay_is_not_retried(service):
    name = put_off(service)
    service.app.engine.relay_control.pause(PAUSE)

    error = refused(retry, service, name)

    assert error == (grpc.StatusCode.FAILED_PRECONDITION, "RELAY_PAUSED")
    assert service.get(name).result.status == TEMP_FAILED


def test_what_needs_no_relay_is_settled_though_it_is_paused(service):
    service.relay.drop_after_data()
    name = service.send(retry=NO_RETRY).delivery
    service.app.engine.relay_control.pause(PAUSE)

    result = retry(service, name, settlement=requests_pb.SETTLEMENT_FAILED)

    assert result.status == FAILED


def test_what_can_not_be_retried_is_told_before_anything_about_the_relay(service):
    name = service.send().delivery
    service.app.engine.relay_control.pause(PAUSE)

    assert refused(retry, service, name)[1] == "NOT_RETRYABLE"


def left_alone(service):
    gone = Finding(Found.TEMPORARY, FailureReason.NETWORK)
    watch = service.app.engine.relays.find("relays/main").watch
    for _ in range(CIRCUIT.failures):
        watch.failed(gone)


def test_a_relay_that_is_left_alone_is_not_retried_by_callers_who_wait(service):
    name = put_off(service)
    left_alone(service)

    error = refused(retry, service, name)

    assert error == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")


def test_a_request_that_is_made_again_is_told_what_is_known_meanwhile(service):
    name = put_off(service, request_id="order-7")
    left_alone(service)

    result = service.send(retry=NO_RETRY, request_id="order-7")

    assert (result.delivery, result.status) == (name, TEMP_FAILED)


def test_a_retry_that_finds_its_turn_goes_at_once(service):
    name = put_off(service)

    assert retry(service, name).status == SUCCESS
