"""What is left in the engine after calls that went another way."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import pytest
from postroom.v1 import connection_pb2 as connection_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery import sending
from postroom_server.delivery.findings import Finding, Found
from postroom_server.domain.errors import NotReady
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.settings import RpcSettings

from tests.support.service import CALL, plain, reason, running
from tests.support.silence import silent_relay

ACCEPTED = send_pb.COMPLETION_ACCEPTED
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS


def free_slots(service):
    return service.app.engine._lanes["main"].free


def all_free(service):
    for _ in range(500):
        if free_slots(service) == 10:
            return True
        threading.Event().wait(0.01)
    return False


def refuse(*_, **__):
    raise NotReady("away")


def refuse_later(*mail):
    on_end = mail[-1]
    refused = SimpleNamespace(result=refuse)
    on_end(refused)
    return refused


def never_end(*_):
    """The store does not answer, and so what it was given is withdrawn."""
    return SimpleNamespace(withdraw=refuse)


@pytest.mark.parametrize("began", [refuse, refuse_later, never_end])
def test_a_mail_that_was_not_stored_gives_its_slot_back(service, monkeypatch, began):
    monkeypatch.setattr(service.app.engine.outbox, "begin_accept", began)
    monkeypatch.setattr(sending, "STORING", 0.1)
    with pytest.raises(grpc.RpcError) as caught:
        service.send()

    assert reason(caught.value) == "NOT_READY"
    assert all_free(service)


def test_accepted_mail_that_was_not_stored_gives_its_slot_back(service, monkeypatch):
    monkeypatch.setattr(service.app.engine.outbox, "accept", refuse)
    with pytest.raises(grpc.RpcError) as caught:
        service.send(completion=ACCEPTED)

    assert reason(caught.value) == "NOT_READY"
    assert all_free(service)


def test_a_call_that_was_answered_is_kept_by_nothing(service):
    """What is would keep its stream until garbage is looked for, and they are few."""
    gc.collect()
    gc.disable()
    try:
        most = RpcSettings().max_concurrent_streams
        answers = [service.send() for _ in range(most + 20)]
    finally:
        gc.enable()

    assert {answer.status for answer in answers} == {SUCCESS}


@pytest.mark.parametrize("completion", [send_pb.COMPLETION_RELAYED, ACCEPTED])
def test_grpc_hears_that_a_mail_is_ours_when_it_is_stored_and_not_before(
    service, monkeypatch, completion
):
    """From then on no library repeats the call by itself; until then it safely may."""
    stored = []
    find = service.app.engine.outbox.find
    monkeypatch.setattr(
        CallContext,
        "accepted",
        lambda _: stored.append(find("default", "order-1") is not None),
    )

    service.send(request_id="order-1", completion=completion)

    assert stored == [True]


def test_twins_give_their_slots_back(service):
    barrier = threading.Barrier(8)

    def send(_twin):
        barrier.wait(CALL)
        service.send(request_id="order-1")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(8)))

    assert all_free(service)


def test_a_repaired_relay_gets_what_is_queued_once_it_was_tested(service):
    watch = service.app.engine.relays.by_id["main"].watch
    watch.failed(Finding(Found.RELAY_AT_FAULT))
    queued = service.send(completion=ACCEPTED).delivery
    request = connection_pb.TestConnectionRequest()

    assert service.get(queued).result.status == delivery_pb.DELIVERY_STATUS_QUEUED
    assert service.stub.TestConnection(request, timeout=CALL).ok
    assert service.settled(queued).status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_the_request_id_of_a_cancellation_is_used_and_made_no_delivery(service):
    watch = service.app.engine.relays.by_id["main"].watch
    watch.failed(Finding(Found.RELAY_AT_FAULT))
    name = service.send(completion=ACCEPTED).delivery
    request = requests_pb.CancelDeliveryRequest(delivery=name, request_id="c-1")
    service.stub.CancelDelivery(request, timeout=CALL)

    with pytest.raises(grpc.RpcError) as sought:
        service.stub.GetDelivery(
            requests_pb.GetDeliveryRequest(request_id="c-1"), timeout=CALL
        )
    with pytest.raises(grpc.RpcError) as reused:
        service.send(request_id="c-1")

    assert reason(sought.value) == "DELIVERY_NOT_FOUND"
    assert reason(reused.value) == "REQUEST_ID_REUSED"


@pytest.mark.usefixtures("unhurried")
def test_a_callers_short_time_is_not_held_against_the_relay(tmp_path, relay):
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port)}, relay) as service,
    ):
        service.send(timeout=8)

        watch = service.app.engine.relays.by_id["main"].watch
        assert watch._failures == 0
