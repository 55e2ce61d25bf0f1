from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb

from tests.support.service import CALL, plain, reason, running, violations

ONCE = send_pb.RetryPolicy(disabled=True)


def test_the_same_request_is_sent_once_and_answered_twice(service):
    first = service.send(request_id="order-1")
    second = service.send(request_id="order-1")

    assert not first.replayed
    assert second.replayed
    assert second.delivery == first.delivery
    assert second.message_id == first.message_id
    assert len(service.relay.messages) == 1


def test_how_long_a_caller_waits_is_no_part_of_the_request(service):
    service.send(request_id="order-1", wait_timeout=Duration(seconds=20))

    assert service.send(
        request_id="order-1", wait_timeout=Duration(seconds=10)
    ).replayed


def test_defaults_count_as_what_they_mean(service):
    service.send(request_id="order-1")

    again = service.send(
        request_id="order-1", relay="relays/main", completion=send_pb.COMPLETION_RELAYED
    )

    assert again.replayed


def test_the_same_bytes_in_base64_are_the_same_request(service):
    def attached(**content):
        return {
            "attachments": [
                message_pb.Attachment(
                    filename="a.txt", content_type="text/plain", **content
                )
            ]
        }

    service.send(request_id="order-1", message=attached(data=b"hello"))

    again = service.send(request_id="order-1", message=attached(data_base64="aGVsbG8="))
    assert again.replayed


def test_the_order_of_labels_is_no_part_of_the_request(service):
    service.send(request_id="o", metadata={"a": "1", "b": "2"}, tags=["x", "y"])

    again = service.send(request_id="o", metadata={"b": "2", "a": "1"}, tags=["y", "x"])

    assert again.replayed


@pytest.mark.parametrize(
    "other",
    [
        {"message": {"subject": "Another"}},
        {"message": {"text_body": "Another."}},
        {"to": "bob@example.com"},
        {"completion": send_pb.COMPLETION_ACCEPTED},
        {"all_recipients_or_none": True},
        {"on_uncertain": send_pb.ON_UNCERTAIN_HOLD},
        {"expire_at": Timestamp(seconds=int(time.time()) + 3600)},
        {"retry": ONCE},
        {"metadata": {"order": "17"}},
        {"tags": ["welcome"]},
        {"message": {"unsubscribe": {"mailto": "out@example.com"}}},
    ],
)
def test_another_body_under_the_same_request_id_is_refused(service, other):
    name = service.send(request_id="order-1").delivery

    with pytest.raises(grpc.RpcError) as caught:
        service.send(request_id="order-1", **other)

    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason(caught.value) == "REQUEST_ID_REUSED"
    assert name in caught.value.details()
    assert service.get(name).result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(service.relay.messages) == 1


def test_a_request_id_is_unique_over_all_methods(service):
    name = service.send(request_id="order-1").delivery

    with pytest.raises(grpc.RpcError) as caught:
        service.stub.CancelDelivery(
            requests_pb.CancelDeliveryRequest(delivery=name, request_id="order-1"),
            timeout=CALL,
        )

    assert reason(caught.value) == "REQUEST_ID_REUSED"


def test_after_an_error_the_request_id_is_free(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(request_id="order-1", message={"subject": ""})

    assert "message.subject" in violations(caught.value)
    assert not service.send(request_id="order-1").replayed


def test_after_validate_only_the_request_id_is_free(service):
    service.send(request_id="order-1", validate_only=True)

    assert not service.send(request_id="order-1").replayed


def test_parallel_twins_send_one_mail(service):
    twins = 16
    barrier = threading.Barrier(twins)

    def send(_twin):
        barrier.wait(10)
        return service.send(request_id="order-1")

    with ThreadPoolExecutor(twins) as threads:
        results = list(threads.map(send, range(twins)))

    assert {r.status for r in results} == {delivery_pb.DELIVERY_STATUS_SUCCESS}
    assert len({r.delivery for r in results}) == 1
    assert sum(not r.replayed for r in results) == 1
    assert len(service.relay.messages) == 1


def test_the_same_request_goes_on_with_what_failed_for_now(service):
    service.relay.fail_next("RCPT", "450 4.2.0 later")
    first = service.send(
        to="ada@example.com bob@example.com", request_id="o", retry=ONCE
    )

    second = service.send(
        to="ada@example.com bob@example.com", request_id="o", retry=ONCE
    )

    assert first.status == delivery_pb.DELIVERY_STATUS_PARTIAL
    assert first.is_retryable
    assert second.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert second.replayed
    assert second.message_id == first.message_id
    assert [m.recipients for m in service.relay.messages] == [
        ("bob@example.com",),
        ("ada@example.com",),
    ]


def test_a_request_id_outlives_the_process(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay) as before:
        first = before.send(request_id="order-1")

    with running(tmp_path, relays, relay) as after:
        second = after.send(request_id="order-1")

    assert second.replayed
    assert second.delivery == first.delivery
    assert len(relay.messages) == 1


@pytest.mark.parametrize("request_id", ["has space", "é", "x" * 257])
def test_a_malformed_request_id_is_refused_by_name(service, request_id):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(request_id=request_id)

    assert reason(caught.value) == "INVALID_REQUEST"
    assert "request_id" in violations(caught.value)
