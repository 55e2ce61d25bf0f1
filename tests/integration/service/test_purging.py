from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb

from tests.support.service import CALL, purge, reason


def retry(service, name):
    request = requests_pb.RetryDeliveryRequest(delivery=name)
    return service.stub.RetryDelivery(request, timeout=CALL).result


def test_the_bytes_of_a_mail_go_after_a_day_and_its_fate_stays(service):
    service.relay.refuse("ada@example.com", "550 5.1.1 no")
    name = service.send().delivery

    purge(service, days=1.1)

    left = service.get(name)
    assert left.subject == ""
    assert left.result.status == delivery_pb.DELIVERY_STATUS_REJECTED
    with pytest.raises(grpc.RpcError) as caught:
        retry(service, name)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == "CONTENT_PURGED"


def test_nothing_is_purged_before_its_time(service):
    service.relay.refuse("ada@example.com", "550 5.1.1 no")
    name = service.send().delivery

    purge(service, days=0.9)

    assert service.get(name).subject == "Hello"


def test_what_has_ended_is_forgotten_after_a_month(service):
    name = service.send().delivery

    purge(service, days=31)

    with pytest.raises(grpc.RpcError) as caught:
        service.get(name)
    assert reason(caught.value) == "DELIVERY_NOT_FOUND"


def test_a_delivery_that_is_not_final_is_never_purged(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    far = send_pb.RetryPolicy(
        quick_delays=[Duration(seconds=60)], min_delay=Duration(seconds=3600)
    )
    name = service.send(
        completion=send_pb.COMPLETION_RELAYED_OR_QUEUED, retry=far
    ).delivery

    purge(service, days=365)

    assert retry(service, name).status == delivery_pb.DELIVERY_STATUS_SUCCESS
