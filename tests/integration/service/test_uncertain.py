from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb

from tests.support.service import CALL, reason

HOLD = send_pb.ON_UNCERTAIN_HOLD


def retry(service, name, **fields):
    request = requests_pb.RetryDeliveryRequest(delivery=name, **fields)
    return service.stub.RetryDelivery(request, timeout=CALL).result


@pytest.fixture
def held(service):
    """The name of a delivery that was held because its outcome is not known."""
    service.relay.drop_after_data(keep=True)
    result = service.send(on_uncertain=HOLD)
    assert result.status == delivery_pb.DELIVERY_STATUS_UNCERTAIN
    return result.delivery


def test_a_link_lost_after_the_end_of_data_is_told_as_uncertain(service):
    service.relay.drop_after_data(keep=True)

    result = service.send(on_uncertain=HOLD)

    assert result.status == delivery_pb.DELIVERY_STATUS_UNCERTAIN
    assert not result.is_retryable
    assert result.attempts[0].outcome == attempt_pb.ATTEMPT_OUTCOME_UNCERTAIN
    assert result.attempts[0].phase == attempt_pb.PHASE_END_OF_DATA
    assert not result.maybe_duplicate


def test_a_doubt_on_a_pooled_session_is_not_sent_again_over_a_fresh_one(service):
    service.send()
    service.relay.drop_after_data(keep=True)

    result = service.send(on_uncertain=HOLD)

    assert result.attempts[0].session_reused
    assert result.status == delivery_pb.DELIVERY_STATUS_UNCERTAIN
    assert len(service.relay.messages) == 2


def test_with_no_time_to_send_again_it_stays_uncertain(service):
    service.relay.drop_after_data(keep=True)

    result = service.send(wait_timeout=Duration(seconds=5))

    assert result.status == delivery_pb.DELIVERY_STATUS_UNCERTAIN
    assert len(service.relay.messages) == 1


def test_accepted_mail_is_sent_again_no_sooner_than_five_minutes(service):
    service.relay.drop_after_data(keep=True)

    result = service.send(completion=send_pb.COMPLETION_RELAYED_OR_QUEUED)

    ended = result.attempts[0].ended_at.seconds
    assert result.status == delivery_pb.DELIVERY_STATUS_RETRY
    assert result.next_attempt_at.seconds - ended >= 299


def test_nothing_is_done_about_an_uncertain_mail_without_a_word(service, held):
    with pytest.raises(grpc.RpcError) as caught:
        retry(service, held)

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == "NOT_RETRYABLE"


def test_an_uncertain_mail_can_be_settled_as_delivered(service, held):
    result = retry(service, held, settlement=requests_pb.SETTLEMENT_DELIVERED)

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(service.relay.messages) == 1


def test_an_uncertain_mail_can_be_settled_as_failed(service, held):
    result = retry(service, held, settlement=requests_pb.SETTLEMENT_FAILED)

    assert result.status == delivery_pb.DELIVERY_STATUS_FAILED
    assert len(service.relay.messages) == 1


def test_an_uncertain_mail_can_be_sent_again_and_may_then_be_a_duplicate(service, held):
    result = retry(service, held, settlement=requests_pb.SETTLEMENT_SEND_AGAIN)

    first, second = service.relay.messages
    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.maybe_duplicate
    assert first.data == second.data


def test_a_settlement_that_does_not_fit_is_refused(service):
    service.relay.refuse("ada@example.com", "550 5.1.1 no")
    name = service.send().delivery

    with pytest.raises(grpc.RpcError) as caught:
        retry(service, name, settlement=requests_pb.SETTLEMENT_DELIVERED)

    assert reason(caught.value) == "NOT_RETRYABLE"


def test_a_link_lost_before_the_end_of_data_is_no_doubt(service):
    service.relay.fail_next("DATA", "421 4.3.2 bye")
    service.relay.fail_next("END", "421 4.3.2 bye")

    result = service.send(retry=send_pb.RetryPolicy(disabled=True))

    assert result.status in {
        delivery_pb.DELIVERY_STATUS_TEMP_FAILED,
        delivery_pb.DELIVERY_STATUS_SUCCESS,
    }
    assert result.status != delivery_pb.DELIVERY_STATUS_UNCERTAIN
