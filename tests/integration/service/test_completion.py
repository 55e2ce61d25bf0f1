from __future__ import annotations

import contextlib
import threading
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery.engine import WAITING_PER_RELAY

from tests.support.service import CALL, a_request, plain, reason, running
from tests.support.silence import silent_relay

ONCE = send_pb.RetryPolicy(disabled=True)


@pytest.fixture
def stuck(tmp_path, relay):
    """A service whose one slot is held by a relay that never says a word."""
    with silent_relay() as silent:
        relays = {"main": plain(silent.port, pool_size=1), "other": plain(relay.port)}
        with running(tmp_path, relays, relay) as service:
            yield service, silent


def test_accepted_mail_is_answered_when_it_is_stored_and_then_delivered(service):
    result = service.send(completion=send_pb.COMPLETION_ACCEPTED)

    final = service.settled(result.delivery)
    assert result.status == delivery_pb.DELIVERY_STATUS_QUEUED
    assert not result.is_final
    assert final.status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_accepted_mail_begins_in_the_commit_that_stores_it(service):
    name = service.send(completion=send_pb.COMPLETION_ACCEPTED).delivery
    service.settled(name)
    delivery = service.app._outbox.get("default", name.removeprefix("deliveries/"))

    assert (delivery.version, delivery.attempts_made) == (2, 1)


def test_accepted_mail_that_finds_no_slot_is_queued_behind_the_others(stuck):
    service, silent = stuck
    holder = service.stub.SendMessage.future(a_request(), timeout=20)
    silent.connected.wait(10)

    name = service.send(completion=send_pb.COMPLETION_ACCEPTED).delivery

    assert service.get(name).result.status == delivery_pb.DELIVERY_STATUS_QUEUED
    holder.cancel()


def test_accepted_mail_that_is_put_off_waits_on_the_long_schedule(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    name = service.send(completion=send_pb.COMPLETION_ACCEPTED).delivery
    service.relay.wait_for(0)

    result = _until(service, name, delivery_pb.DELIVERY_STATUS_RETRY)

    assert result.next_attempt_at.seconds > 0
    assert not result.is_retryable


def test_relayed_or_queued_is_answered_retry_when_no_quick_delay_fits(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    policy = send_pb.RetryPolicy(quick_delays=[Duration(seconds=60)])

    result = service.send(completion=send_pb.COMPLETION_RELAYED_OR_QUEUED, retry=policy)

    assert result.status == delivery_pb.DELIVERY_STATUS_RETRY


@pytest.mark.usefixtures("unhurried")
def test_the_answer_comes_before_the_deadline_when_the_relay_is_silent(stuck):
    service, _ = stuck

    result = service.send(timeout=8)

    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_DEADLINE
    assert result.attempts[0].outcome == attempt_pb.ATTEMPT_OUTCOME_ABANDONED


@pytest.mark.usefixtures("unhurried")
def test_mail_whose_turn_never_came_is_withdrawn_and_its_request_id_is_free(stuck):
    service, silent = stuck
    holder = service.stub.SendMessage.future(a_request(), timeout=20)
    silent.connected.wait(10)

    with pytest.raises(grpc.RpcError) as caught:
        service.send(request_id="r-1", timeout=8)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert reason(caught.value) == "DEADLINE_PASSED"
    other = service.send(request_id="r-1", relay="relays/other")
    assert other.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    holder.cancel()


def test_relayed_or_queued_stays_queued_when_its_turn_does_not_come(stuck):
    service, silent = stuck
    holder = service.stub.SendMessage.future(a_request(), timeout=20)
    silent.connected.wait(10)

    result = service.send(
        completion=send_pb.COMPLETION_RELAYED_OR_QUEUED,
        wait_timeout=Duration(nanos=300_000_000),
    )

    assert result.status == delivery_pb.DELIVERY_STATUS_QUEUED
    holder.cancel()


def test_a_hung_relay_does_not_keep_mail_from_another_one(stuck):
    service, silent = stuck
    holders = [
        service.stub.SendMessage.future(a_request(), timeout=20) for _ in range(3)
    ]
    silent.connected.wait(10)

    result = service.send(relay="relays/other")

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    for holder in holders:
        holder.cancel()


def test_a_caller_that_leaves_before_the_end_of_data_leaves_nothing_behind(stuck):
    service, silent = stuck
    call = service.stub.SendMessage.future(a_request(request_id="r-2"), timeout=20)
    silent.connected.wait(10)

    call.cancel()

    result = service.settled(_find(service, "r-2").name)
    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert result.is_retryable


def test_a_caller_that_leaves_while_queued_leaves_a_delivery_to_resume(stuck):
    service, silent = stuck
    holder = service.stub.SendMessage.future(a_request(), timeout=20)
    silent.connected.wait(10)
    call = service.stub.SendMessage.future(a_request(request_id="r-3"), timeout=20)
    delivery = _find(service, "r-3")

    call.cancel()

    result = service.settled(delivery.name)
    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    holder.cancel()


def test_callers_of_one_relay_cannot_hold_all_threads(stuck):
    service, _ = stuck
    most = WAITING_PER_RELAY
    holders = [
        service.stub.SendMessage.future(a_request(), timeout=2 * CALL)
        for _ in range(most)
    ]
    refused = threading.Event()

    def look():
        try:
            service.send()
        except grpc.RpcError as error:
            if reason(error) == "OVERLOADED":
                refused.set()

    for _ in range(int(CALL / 2 / 0.05)):
        if service.app.engine.waiting("main") >= most:
            break
        threading.Event().wait(0.05)
    look()
    queued = service.send(completion=send_pb.COMPLETION_RELAYED_OR_QUEUED)

    assert refused.is_set()
    assert queued.status == delivery_pb.DELIVERY_STATUS_QUEUED
    assert (
        service.send(relay="relays/other").status == delivery_pb.DELIVERY_STATUS_SUCCESS
    )
    for holder in holders:
        holder.cancel()


def _find(service, request_id):
    request = requests_pb.GetDeliveryRequest(request_id=request_id)
    for _ in range(int(CALL / 0.02)):
        with contextlib.suppress(grpc.RpcError):
            return service.stub.GetDelivery(request, timeout=CALL).delivery
        threading.Event().wait(0.02)
    raise AssertionError(f"{request_id} was not stored")


def _until(service, name, status):
    for _ in range(500):
        result = service.get(name).result
        if result.status == status:
            return result
        threading.Event().wait(0.02)
    raise AssertionError(f"not {status}: {result}")


def test_the_limit_of_a_wait_holds_while_an_attempt_begins(stuck):
    service, _silent = stuck
    request = a_request(completion=send_pb.COMPLETION_RELAYED_OR_QUEUED)
    request.wait_timeout.FromMilliseconds(500)
    began = time.monotonic()
    result = service.stub.SendMessage(request, timeout=20).result

    assert not result.is_final
    assert time.monotonic() - began < 10
