"""Cancelling, moving and retrying a mail in every state: done, or refused whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import event_pb2, send_pb2

from tests.support.service import CALL, PAUSE, Service, plain, reason, running
from tests.support.silence import silent_relay

ACCEPTED = send_pb2.COMPLETION_ACCEPTED
HOLD = send_pb2.ON_UNCERTAIN_HOLD
ONCE = send_pb2.RetryPolicy(disabled=True)
FAR = send_pb2.RetryPolicy(min_delay={"seconds": 3600})
"""The delay is drawn from none up to so much."""
LATER = "451 4.3.0 later"
DAY = 86_400


def ahead(seconds: float) -> Timestamp:
    stamp = Timestamp()
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    stamp.FromDatetime(moment.replace(tzinfo=None))
    return stamp


@pytest.fixture
def service(tmp_path, relay) -> Iterator[Service]:
    """One with a second relay that takes the connection and says nothing."""
    with silent_relay() as silent:
        relays = {"main": plain(relay.port), "silent": plain(silent.port)}
        with running(tmp_path, relays, relay) as started:
            yield started


def scheduled(service):
    return service.send(send_at=ahead(DAY))


def put_off(service):
    service.relay.fail_next("MAIL", LATER)
    return service.send(completion=ACCEPTED, retry=FAR)


def under_way(service):
    return service.send(completion=ACCEPTED, relay="relays/silent")


def delivered(service):
    return service.send()


def refused(service):
    service.relay.refuse("ada@example.com", "550 5.1.1 no")
    return service.send()


def given_up(service):
    service.relay.fail_next("MAIL", LATER)
    return service.send(retry=ONCE)


def uncertain(service):
    service.relay.drop_after_data(keep=True)
    return service.send(on_uncertain=HOLD)


def taken_back(service):
    result = scheduled(service)
    cancel(service, result.delivery)
    return result


STATES: dict[str, Callable] = {
    "QUEUED": scheduled,
    "RETRY": put_off,
    "SENDING": under_way,
    "SUCCESS": delivered,
    "REJECTED": refused,
    "TEMP_FAILED": given_up,
    "UNCERTAIN": uncertain,
    "CANCELLED": taken_back,
}


def cancel(service, name):
    request = looking.CancelDeliveryRequest(delivery=name)
    return service.stub.CancelDelivery(request, timeout=CALL).result


def move(service, name):
    request = looking.RescheduleDeliveryRequest(delivery=name, send_at=ahead(2 * DAY))
    return service.stub.RescheduleDelivery(request, timeout=CALL).result


def retry(service, name, **fields):
    request = looking.RetryDeliveryRequest(delivery=name, **fields)
    return service.stub.RetryDelivery(request, timeout=CALL).result


def settle(service, name):
    return retry(service, name, settlement=looking.SETTLEMENT_DELIVERED)


def in_state(service, state) -> str:
    """The name of a delivery whose status is *state*."""
    name = STATES[state](service).delivery
    wanted = delivery_pb.DeliveryStatus.Value(f"DELIVERY_STATUS_{state}")
    for _ in range(600):
        if service.get(name).result.status == wanted:
            return name
        PAUSE.wait(0.02)
    raise AssertionError(f"it never was {state}")


def everything_of(service, name):
    asked = event_pb2.PullEventsRequest(
        filter=event_pb2.EventFilter(deliveries=[name]),
        start_position=event_pb2.START_POSITION_BEGINNING,
    )
    told = service.stub.PullEvents(asked, timeout=CALL)
    stored = service.app.engine.outbox.get("default", name.removeprefix("deliveries/"))
    return service.get(name), stored, list(told.events)


ALLOWED = {
    cancel: {"QUEUED", "RETRY", "SENDING", "CANCELLED"},
    move: {"QUEUED", "RETRY"},
    retry: {"RETRY", "REJECTED", "TEMP_FAILED"},
    settle: {"UNCERTAIN"},
}
WHY = {cancel: "TOO_LATE", move: "TOO_LATE"}


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (act, state)
        for act, allowed in ALLOWED.items()
        for state in STATES
        if state not in allowed
    ],
)
def test_what_a_state_does_not_allow_is_refused_and_changes_nothing(
    service, act, state
):
    name = in_state(service, state)
    before = everything_of(service, name)
    with pytest.raises(grpc.RpcError) as caught:
        act(service, name)

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == WHY.get(act, "NOT_RETRYABLE")
    assert everything_of(service, name) == before


@pytest.mark.parametrize(
    ("act", "state", "after"),
    [
        (cancel, "QUEUED", "CANCELLED"),
        (cancel, "RETRY", "CANCELLED"),
        (cancel, "SENDING", "CANCELLED"),
        (cancel, "CANCELLED", "CANCELLED"),
        (move, "QUEUED", "QUEUED"),
        (move, "RETRY", "RETRY"),
        (retry, "RETRY", "SUCCESS"),
        (retry, "REJECTED", "REJECTED"),
        (retry, "TEMP_FAILED", "SUCCESS"),
        (settle, "UNCERTAIN", "SUCCESS"),
    ],
)
def test_what_a_state_allows_is_done(service, act, state, after):
    name = in_state(service, state)
    act(service, name)
    wanted = delivery_pb.DeliveryStatus.Value(f"DELIVERY_STATUS_{after}")
    for _ in range(600):
        status = service.get(name).result.status
        if status == wanted:
            return
        PAUSE.wait(0.02)
    raise AssertionError(f"it is {status}")
