"""What makes no sense is refused by the name of its field, and changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import event_pb2, relay_service_pb2, send_pb2
from postroom.v1.relay_service_pb2_grpc import RelayServiceStub

from tests.support.service import (
    CALL,
    a_message,
    plain,
    reason,
    running,
    violations,
)

DAY = 86_400
THIS = "the delivery"
"""In a table: the name of the delivery that must not change."""
NO_NAMES = [
    ("", "is required"),
    ("nonsense", 'must look like "deliveries/{id}"'),
    ("deliveries/", 'must look like "deliveries/{id}"'),
    ("deliveries/a b", 'must look like "deliveries/{id}"'),
    ("deliveries/1\n", 'must look like "deliveries/{id}"'),
    ("deliveries/" + "1" * 65, 'must look like "deliveries/{id}"'),
    ("relays/main", 'must look like "deliveries/{id}"'),
]
NO_TIME = "is no time of the years 1 to 9999"
NO_WAIT = "must be 0.1 to 120 s"
NO_ID = "must be 1 to 256 printable ASCII characters"


def ahead(seconds: float) -> Timestamp:
    stamp = Timestamp()
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    stamp.FromDatetime(moment.replace(tzinfo=None))
    return stamp


@pytest.fixture(scope="module")
def service(tmp_path_factory, shared_relay):
    """One for all: a refused call leaves nothing that another could see."""
    folder = tmp_path_factory.mktemp("refusals")
    with running(folder, {"main": plain(shared_relay.port)}, shared_relay) as started:
        yield started


@pytest.fixture(scope="module")
def scheduled(service) -> str:
    """The name of a mail for tomorrow."""
    return service.send(send_at=ahead(DAY)).delivery


def everything_of(service, name):
    """All that is known of a delivery: as told, its version, its events."""
    asked = event_pb2.PullEventsRequest(
        filter=event_pb2.EventFilter(deliveries=[name]),
        start_position=event_pb2.START_POSITION_BEGINNING,
    )
    told = service.stub.PullEvents(asked, timeout=CALL)
    stored = service.app.engine.outbox.get("default", name.removeprefix("deliveries/"))
    return service.get(name), stored, list(told.events)


def refusal(call, request) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        answered(call(request, timeout=CALL))
    return caught.value


def answered(answer):
    """*answer*; of a stream the first."""
    return next(answer) if isinstance(answer, grpc.Call) else answer


def ask(service, method, name, fields) -> grpc.RpcError:
    """The error of *method*, on the delivery *name* where *fields* say so."""
    asked = {key: name if value is THIS else value for key, value in fields.items()}
    kind = {
        "SendMessage": send_pb2.SendMessageRequest,
        "WatchDeliveries": event_pb2.WatchDeliveriesRequest,
        "PullEvents": event_pb2.PullEventsRequest,
    }.get(method) or getattr(looking, f"{method}Request")
    if method == "SendMessage":
        asked = {"message": a_message(), **asked}
    return refusal(getattr(service.stub, method), kind(**asked))


def of(method, *rows):
    return [
        pytest.param(method, {**fields}, field, told, id=f"{method}-{number}-{field}")
        for number, (fields, field, told) in enumerate(rows)
    ]


@pytest.mark.shared_threads
@pytest.mark.parametrize(
    "method",
    ["GetDelivery", "CancelDelivery", "RescheduleDelivery", "RetryDelivery"],
)
@pytest.mark.parametrize(("given", "told"), NO_NAMES)
def test_what_is_no_name_of_a_delivery_is_told(service, method, given, told):
    error = ask(service, method, "", {"delivery": given})

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == {"delivery": told}


MOVES = (
    # Those times are made when the tests are collected, maybe an hour before.
    ({"send_at": ahead(31 * DAY)}, "send_at", "must be at most 30 days ahead"),
    ({"send_at": Timestamp(seconds=1, nanos=-1)}, "send_at", NO_TIME),
    ({"send_at": Timestamp(seconds=253_402_300_800)}, "send_at", NO_TIME),
    ({"expire_at": Timestamp(seconds=1)}, "expire_at", "must be later than now"),
    ({"expire_at": Timestamp(nanos=-1)}, "expire_at", NO_TIME),
    (
        {"expire_at": ahead(8 * DAY)},
        "expire_at",
        "must be at most 7 days ahead",
    ),
    (
        {"send_at": ahead(DAY), "expire_at": ahead(DAY - 60)},
        "expire_at",
        "must be later than send_at",
    ),
    (
        {"send_at": ahead(DAY), "expire_at": ahead(8 * DAY + 60)},
        "expire_at",
        "must be at most 7 days after send_at",
    ),
    ({"request_id": "a b"}, "request_id", NO_ID),
    ({"request_id": "a" * 257}, "request_id", NO_ID),
)
BAD = [
    *of("SendMessage", *MOVES),
    *of(
        "RescheduleDelivery",
        *(({"delivery": THIS, **fields}, *rest) for fields, *rest in MOVES),
    ),
    *of("CancelDelivery", ({"delivery": THIS, "request_id": "é"}, "request_id", NO_ID)),
    *of(
        "RetryDelivery",
        ({"delivery": THIS, "request_id": "\n"}, "request_id", NO_ID),
        ({"delivery": THIS, "wait_timeout": Duration()}, "wait_timeout", NO_WAIT),
        (
            {"delivery": THIS, "wait_timeout": Duration(seconds=121)},
            "wait_timeout",
            NO_WAIT,
        ),
        (
            {"delivery": THIS, "expire_at": ahead(-1)},
            "expire_at",
            "must be later than now",
        ),
        (
            {"delivery": THIS, "recipients": ["eve@example.com"]},
            "recipients[0]",
            "is no recipient of this delivery",
        ),
    ),
    *of(
        "GetDelivery",
        ({}, "delivery", "is required"),
        ({"request_id": ""}, "request_id", "is required"),
        ({"request_id": "a b"}, "request_id", NO_ID),
    ),
    *of(
        "ListDeliveries",
        ({"page_size": -1}, "page_size", "must not be negative"),
        (
            {"filter": {"relay": "main"}},
            "filter.relay",
            'must look like "relays/main"',
        ),
        (
            {"filter": {"statuses": [0]}},
            "filter.statuses[0]",
            "must not be UNSPECIFIED",
        ),
        ({"filter": {"statuses": [1] * 21}}, "filter.statuses", "at most 20 entries"),
        ({"filter": {"recipient": "ada"}}, "filter.recipient", ""),
        ({"filter": {"tag": "a" * 1000}}, "filter.tag", ""),
        (
            {"filter": {"metadata": {f"k{n}": "v" for n in range(6)}}},
            "filter.metadata",
            "",
        ),
        (
            {"filter": {"message_id": "1@example.com"}},
            "filter.message_id",
            "must be in angle brackets",
        ),
        (
            {"filter": {"accepted_from": Timestamp(nanos=-1)}},
            "filter.accepted_from",
            NO_TIME,
        ),
        (
            {"filter": {"accepted_from": ahead(60), "accepted_before": ahead(0)}},
            "filter.accepted_before",
            "must be later than accepted_from",
        ),
    ),
    *of(
        "WatchDeliveries",
        ({"filter": {"deliveries": ["x/1"]}}, "filter.deliveries[0]", NO_NAMES[1][1]),
        ({"filter": {"kinds": [0]}}, "filter.kinds[0]", "must not be UNSPECIFIED"),
        ({"filter": {"tags": [""]}}, "filter.tags[0]", ""),
    ),
]


@pytest.mark.shared_threads
@pytest.mark.parametrize(("method", "fields", "field", "told"), BAD)
def test_what_makes_no_sense_is_told_by_its_field_and_changes_nothing(
    service, scheduled, method, fields, field, told
):
    before = everything_of(service, scheduled)
    error = ask(service, method, scheduled, fields)
    found = violations(error)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list(found) == [field]
    assert told in found[field]
    assert everything_of(service, scheduled) == before
    assert service.relay.messages == ()


@pytest.mark.shared_threads
@pytest.mark.parametrize(
    "method", ["PauseRelay", "ResumeRelay", "DrainRelay", "GetRelay", "ListSessions"]
)
@pytest.mark.parametrize("name", ["main", "relays/", "relays/A", "deliveries/1"])
def test_what_is_no_name_of_a_relay_is_told(service, method, name):
    request = getattr(relay_service_pb2, f"{method}Request")(relay=name)
    error = refusal(getattr(RelayServiceStub(service.channel), method), request)

    assert violations(error) == {"relay": 'must look like "relays/main"'}


@pytest.mark.shared_threads
@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("PauseRelay", {"reason": "é" * 257}, "reason"),
        ("DrainRelay", {"reason": "x" * 513}, "reason"),
        ("DrainRelay", {"wait_timeout": Duration(seconds=-1)}, "wait_timeout"),
    ],
)
def test_a_relay_is_not_paused_by_what_makes_no_sense(service, method, fields, field):
    stub = RelayServiceStub(service.channel)
    request = getattr(relay_service_pb2, f"{method}Request")
    error = refusal(getattr(stub, method), request(relay="relays/main", **fields))
    asked = relay_service_pb2.GetRelayRequest(relay="relays/main")
    condition = stub.GetRelay(asked, timeout=CALL).relay.condition

    assert list(violations(error)) == [field]
    assert not condition.HasField("pause")


@pytest.mark.shared_threads
@pytest.mark.parametrize("token", ["x", "é", "A" * 90, "A" * 600, "../x"])
def test_a_page_token_that_is_none_is_refused(service, token):
    error = ask(service, "ListDeliveries", "", {"page_token": token})

    assert reason(error) == "INVALID_TOKEN"


def test_a_page_token_of_another_store_is_refused(service, tmp_path, shared_relay):
    with running(tmp_path, {"main": plain(shared_relay.port)}, shared_relay) as other:
        for _ in range(2):
            other.send(send_at=ahead(DAY))
        first = looking.ListDeliveriesRequest(page_size=1)
        token = other.stub.ListDeliveries(first, timeout=CALL).next_page_token
    error = ask(service, "ListDeliveries", "", {"page_token": token})

    assert reason(error) == "INVALID_TOKEN"


@pytest.mark.shared_threads
def test_a_page_may_be_asked_for_that_is_too_large(service, scheduled):
    request = looking.ListDeliveriesRequest(page_size=2**31 - 1)
    found = service.stub.ListDeliveries(request, timeout=CALL).deliveries

    assert scheduled in [delivery.name for delivery in found]
