"""Mail for a relay that is not in the configuration any more."""

from __future__ import annotations

import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.relay_service_pb2 import PauseRelayRequest
from postroom.v1.relay_service_pb2_grpc import RelayServiceStub

from tests.support.service import CALL, Later, plain, reason, running

ONCE = send_pb.RetryPolicy(disabled=True)
DAY = 86_400


@pytest.fixture
def orphans(tmp_path, relay):
    """A service without a relay that has two mails: for later, and given up."""
    both = {"main": plain(relay.port), "old": plain(relay.port)}
    later = Timestamp(seconds=int(time.time()) + DAY)
    with running(tmp_path, both, relay) as before:
        relay.fail_next("MAIL", "451 4.3.0 later")
        given_up = before.send(relay="relays/old", retry=ONCE).delivery
        scheduled = before.send(relay="relays/old", send_at=later).delivery
    with running(tmp_path, {"main": plain(relay.port)}, relay) as after:
        yield after, scheduled, given_up


def test_it_can_be_looked_at_listed_moved_and_taken_back(orphans):
    service, scheduled, _ = orphans
    moved = service.stub.RescheduleDelivery(
        looking.RescheduleDeliveryRequest(delivery=scheduled), timeout=CALL
    ).result
    listed = service.stub.ListDeliveries(looking.ListDeliveriesRequest(), timeout=CALL)
    taken_back = service.stub.CancelDelivery(
        looking.CancelDeliveryRequest(delivery=scheduled), timeout=CALL
    )

    assert moved.status == delivery_pb.DELIVERY_STATUS_QUEUED
    assert len(listed.deliveries) == 2
    assert taken_back.outcome == looking.CANCEL_OUTCOME_CANCELLED


@pytest.mark.parametrize(
    "completion", [send_pb.COMPLETION_RELAYED, send_pb.COMPLETION_ACCEPTED]
)
def test_it_can_not_be_gone_on_with_and_stays_as_it_is(orphans, completion):
    service, _, given_up = orphans
    before = service.get(given_up)
    request = looking.RetryDeliveryRequest(delivery=given_up, completion=completion)
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.RetryDelivery(request, timeout=CALL)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason(caught.value) == "RELAY_NOT_FOUND"
    assert service.get(given_up) == before


def test_other_mail_goes_out(orphans):
    service, scheduled, _ = orphans
    service.stub.RescheduleDelivery(
        looking.RescheduleDeliveryRequest(delivery=scheduled), timeout=CALL
    )

    assert service.send().status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_it_expires_as_all_mail_does(orphans, monkeypatch):
    service, scheduled, _ = orphans
    monkeypatch.setattr(service.app.engine.expiring, "_clock", Later(days=3))
    service.app.engine.expiring.look()

    assert service.get(scheduled).result.status == delivery_pb.DELIVERY_STATUS_EXPIRED


def test_mail_behind_a_paused_relay_expires_in_its_time(service, monkeypatch):
    stub = RelayServiceStub(service.channel)
    stub.PauseRelay(PauseRelayRequest(relay="relays/main"), timeout=CALL)
    name = service.send(completion=send_pb.COMPLETION_ACCEPTED).delivery
    monkeypatch.setattr(service.app.engine.expiring, "_clock", Later(days=2))
    service.app.engine.expiring.look()

    assert service.get(name).result.status == delivery_pb.DELIVERY_STATUS_EXPIRED
    assert service.relay.messages == ()
