"""A mail that waits where its caller does, moved or hurried by another process."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import serving, until
from tests.support.postgres import postgres
from tests.support.service import CALL, a_request

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
RETRY = delivery_pb.DELIVERY_STATUS_RETRY


@pytest.fixture
def relay() -> Iterator[SandboxRelay]:
    with SandboxRelay() as started:
        yield started


@pytest.fixture
def pair(tmp_path, relay):
    url = postgres().fresh()
    with (
        serving(tmp_path / "a", url, relay) as first,
        serving(tmp_path / "b", url, relay) as second,
    ):
        yield first, second


def put_off(service, relay):
    """A relayed send whose caller waits for its next attempt, and its name."""
    relay.fail_next("MAIL", "451 4.3.0 later")
    slow = send_pb.RetryPolicy()
    slow.quick_delays.add(seconds=60)
    call = service.stub.SendMessage.future(
        a_request(retry=slow, request_id="waited-for"), timeout=120
    )
    selector = looking.GetDeliveryRequest(request_id="waited-for")

    def waits():
        try:
            found = service.stub.GetDelivery(selector, timeout=CALL).delivery
        except grpc.RpcError:
            return ""
        return found.name if found.result.status == RETRY else ""

    until(waits)
    return call, waits()


def test_moved_to_now_elsewhere_it_goes_and_its_caller_hears(pair, relay):
    first, second = pair
    call, name = put_off(first, relay)
    request = looking.RescheduleDeliveryRequest(delivery=name)
    second.stub.RescheduleDelivery(request, timeout=CALL)

    assert call.result(CALL).result.status == SUCCESS
    assert len(relay.messages) == 1


def test_hurried_elsewhere_both_callers_hear(pair, relay):
    first, second = pair
    call, name = put_off(first, relay)
    request = looking.RetryDeliveryRequest(delivery=name)
    hurried = second.stub.RetryDelivery(request, timeout=CALL).result

    assert hurried.status == SUCCESS
    assert call.result(CALL).result.status == SUCCESS
    assert len(relay.messages) == 1
