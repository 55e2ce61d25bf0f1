"""BatchSendMessages, to the service as a whole."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1 import send_stream_pb2 as wire

from tests.support.mail_streams import error_reason
from tests.support.service import CALL, a_request, plain, reason, running, violations
from tests.support.silence import silent_relay

ACCEPTED = send_pb.COMPLETION_ACCEPTED
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
TEMP_FAILED = delivery_pb.DELIVERY_STATUS_TEMP_FAILED


def batch(service, *entries, timeout=CALL, **fields):
    request = wire.BatchSendMessagesRequest(requests=entries, **fields)
    return service.stub.BatchSendMessages(request, timeout=timeout).outcomes


def refusal(service, *entries, **fields):
    with pytest.raises(grpc.RpcError) as refused:
        batch(service, *entries, **fields)
    return refused.value


def test_each_entry_has_an_outcome_in_its_place(service):
    service.relay.refuse("n3@example.com", "550 5.1.1 no")

    outcomes = batch(
        service, *(a_request(to=f"n{number}@example.com") for number in range(20))
    )

    assert [o.index for o in outcomes] == list(range(20))
    assert [o.result.recipients[0].address for o in outcomes] == [
        f"n{number}@example.com" for number in range(20)
    ]
    assert [o.index for o in outcomes if o.result.status != SUCCESS] == [3]
    assert len(service.relay.messages) == 19


def test_an_entry_that_is_wrong_costs_the_others_nothing(service):
    unknown = send_pb.SendMessageRequest.FromString(b"\x92\x7d\x00")

    outcomes = batch(
        service, a_request(), a_request(to=""), unknown, a_request(relay="relays/no")
    )

    assert [error_reason(o) for o in outcomes] == [
        "", "INVALID_MESSAGE", "UNKNOWN_FIELD", "RELAY_NOT_FOUND",
    ]  # fmt: skip
    assert outcomes[0].result.status == SUCCESS


def test_results_come_without_attempts(service):
    (outcome,) = batch(service, a_request())

    assert not outcome.result.attempts
    assert service.get(outcome.result.delivery).result.attempts


def test_entries_get_the_batch_s_id_with_their_place(service):
    own = a_request(request_id="own")
    first = batch(service, a_request(), own, request_id="b-1")
    again = batch(service, a_request(), own, request_id="b-1")

    found = [
        service.stub.GetDelivery(
            requests_pb.GetDeliveryRequest(request_id=name), timeout=CALL
        ).delivery.name
        for name in ("b-1/0", "own")
    ]
    assert found == [o.result.delivery for o in first]
    assert found == [o.result.delivery for o in again]
    assert all(o.result.replayed for o in again)
    assert len(service.relay.messages) == 2


def test_the_longest_id_leaves_room_for_the_place(service):
    outcomes = batch(service, a_request(), request_id="x" * 250)

    assert outcomes[0].result.status == SUCCESS


@pytest.mark.parametrize(
    ("entries", "fields", "wrong"),
    [
        ((), {}, "requests"),
        ([a_request()] * 501, {}, "requests"),
        ([a_request(to=" ".join(["ada@example.com"] * 100))] * 41, {}, "requests"),
        ([a_request()], {"request_id": "x" * 251}, "request_id"),
        ([a_request()], {"request_id": "a b"}, "request_id"),
    ],
    ids=["none", "too many", "too many recipients", "long id", "odd id"],
)
def test_what_is_wrong_with_the_whole_is_refused(service, entries, fields, wrong):
    error = refusal(service, *entries, **fields)

    assert reason(error) == "INVALID_REQUEST"
    assert list(violations(error)) == [wrong]
    assert service.relay.messages == ()


def test_a_field_of_the_batch_that_is_not_known_is_refused(service):
    request = wire.BatchSendMessagesRequest.FromString(b"\x92\x7d\x00")
    request.requests.append(a_request())

    with pytest.raises(grpc.RpcError) as refused:
        service.stub.BatchSendMessages(request, timeout=CALL)

    assert reason(refused.value) == "UNKNOWN_FIELD"


@pytest.mark.timeout(180)
def test_500_entries_that_are_accepted_are_answered_when_they_are_stored(service):
    outcomes = batch(service, *[a_request(completion=ACCEPTED)] * 500)

    assert len({o.result.delivery for o in outcomes}) == 500
    assert len(service.relay.wait_for(500, timeout=4 * CALL)) == 500


@pytest.mark.usefixtures("unhurried")
def test_at_the_deadline_every_entry_is_answered(tmp_path, relay):
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port, pool_size=1)}, relay) as service,
    ):
        begun = a_request(wait_timeout=Duration(seconds=60))
        outcomes = batch(service, begun, *[a_request()] * 5, timeout=12.0)

    assert outcomes[0].result.status == TEMP_FAILED
    others = {error_reason(o) or o.result.status for o in outcomes[1:]}
    assert others <= {"DEADLINE_PASSED", TEMP_FAILED}
