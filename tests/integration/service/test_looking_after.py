from __future__ import annotations

import contextlib
import threading

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb

from tests.support.service import CALL, a_request, plain, reason, running, violations
from tests.support.silence import silent_relay

ONCE = send_pb.RetryPolicy(disabled=True)
NONE_SOON = send_pb.RetryPolicy(
    quick_delays=[Duration(seconds=60)], min_delay=Duration(seconds=3600)
)
"""No quick retry fits into a call, and the long schedule is far longer than that."""
UNKNOWN = "deliveries/" + "0" * 32


def cancel(service, name, **fields):
    request = requests_pb.CancelDeliveryRequest(delivery=name, **fields)
    return service.stub.CancelDelivery(request, timeout=CALL)


def retry(service, name, **fields):
    request = requests_pb.RetryDeliveryRequest(delivery=name, **fields)
    return service.stub.RetryDelivery(request, timeout=CALL).result


def listed(service, **fields):
    request = requests_pb.ListDeliveriesRequest(**fields)
    return service.stub.ListDeliveries(request, timeout=CALL)


def test_a_delivery_is_found_by_its_name_and_by_its_request_id(service):
    result = service.send(request_id="order-1")

    by_id = service.stub.GetDelivery(
        requests_pb.GetDeliveryRequest(request_id="order-1"), timeout=CALL
    ).delivery

    assert by_id == service.get(result.delivery)
    assert by_id.relay == "relays/main"
    assert by_id.envelope_from == "me@example.com"
    assert by_id.subject == "Hello"
    assert by_id.purge_at.seconds - by_id.result.settled_at.seconds == 86_400


@pytest.mark.parametrize("method", ["GetDelivery", "CancelDelivery", "RetryDelivery"])
def test_an_unknown_delivery_is_not_found(service, method):
    request = getattr(requests_pb, f"{method}Request")(delivery=UNKNOWN)

    with pytest.raises(grpc.RpcError) as caught:
        getattr(service.stub, method)(request, timeout=CALL)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason(caught.value) == "DELIVERY_NOT_FOUND"


@pytest.mark.parametrize("method", ["GetDelivery", "CancelDelivery", "RetryDelivery"])
def test_what_is_no_name_is_refused_by_its_field(service, method):
    request = getattr(requests_pb, f"{method}Request")(delivery="nonsense")

    with pytest.raises(grpc.RpcError) as caught:
        getattr(service.stub, method)(request, timeout=CALL)

    assert "delivery" in violations(caught.value)


def test_a_refused_recipient_can_be_tried_again_by_the_same_bytes(service):
    service.relay.refuse("bob@example.com", "550 5.1.1 no")
    first = service.send(to="ada@example.com bob@example.com")
    before = service.relay.messages[0].data
    service.relay.clear()

    again = retry(service, first.delivery)

    (received,) = service.relay.messages
    assert again.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert received.recipients == ("bob@example.com",)
    assert received.data == before


def test_only_the_recipients_asked_for_are_tried_again(service):
    service.relay.fail_next("RCPT", "450 4.2.0 later", times=2)
    first = service.send(to="ada@example.com bob@example.com", retry=ONCE)

    again = retry(service, first.delivery, recipients=["bob@example.com"])

    assert [r.status for r in again.recipients] == [
        delivery_pb.RECIPIENT_STATUS_TEMP_FAILED,
        delivery_pb.RECIPIENT_STATUS_DELIVERED,
    ]


def test_a_stranger_among_the_recipients_to_retry_is_refused(service):
    service.relay.fail_next("RCPT", "450 4.2.0 later")
    name = service.send(retry=ONCE).delivery

    with pytest.raises(grpc.RpcError) as caught:
        retry(service, name, recipients=["eve@example.com"])

    assert "recipients[0]" in violations(caught.value)


def test_a_success_is_not_retryable(service):
    name = service.send().delivery

    with pytest.raises(grpc.RpcError) as caught:
        retry(service, name)

    assert reason(caught.value) == "NOT_RETRYABLE"


def test_a_delivery_on_the_long_schedule_can_be_hurried(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    first = service.send(
        completion=send_pb.COMPLETION_RELAYED_OR_QUEUED, retry=NONE_SOON
    )

    again = retry(service, first.delivery)

    assert first.status == delivery_pb.DELIVERY_STATUS_RETRY
    assert again.status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_a_retry_with_a_request_id_is_made_once(service):
    service.relay.refuse("ada@example.com", "550 5.1.1 no")
    name = service.send().delivery

    first = retry(service, name, request_id="again-1")
    second = retry(service, name, request_id="again-1")

    assert len(second.attempts) == len(first.attempts) == 2
    assert second.replayed


@pytest.fixture
def queue(tmp_path, relay):
    """A service whose one slot is held, so that what comes next must queue."""
    with silent_relay() as silent:
        relays = {"main": plain(silent.port, pool_size=1)}
        with running(tmp_path, relays, relay) as service:
            holder = service.stub.SendMessage.future(
                a_request(request_id="holder"), timeout=30
            )
            assert silent.connected.wait(10)
            yield service
            holder.cancel()


def test_queued_mail_can_be_taken_back(queue):
    name = queue.send(completion=send_pb.COMPLETION_ACCEPTED).delivery

    first, second = cancel(queue, name), cancel(queue, name)

    assert first.outcome == second.outcome == requests_pb.CANCEL_OUTCOME_CANCELLED
    assert first.result.status == delivery_pb.DELIVERY_STATUS_CANCELLED


def test_mail_under_way_stops_before_its_end_of_data(queue):
    holder = queue.stub.GetDelivery(
        requests_pb.GetDeliveryRequest(request_id="holder"), timeout=CALL
    ).delivery

    answer = cancel(queue, holder.name)

    final = queue.settled(holder.name)
    assert answer.outcome in {
        requests_pb.CANCEL_OUTCOME_PENDING,
        requests_pb.CANCEL_OUTCOME_CANCELLED,
    }
    assert final.status == delivery_pb.DELIVERY_STATUS_CANCELLED


def test_mail_that_was_delivered_cannot_be_taken_back(service):
    name = service.send().delivery

    with pytest.raises(grpc.RpcError) as caught:
        cancel(service, name)

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == "TOO_LATE"


def test_a_list_has_the_newest_first_and_goes_on_by_pages(service):
    sent = [service.send(message={"subject": str(n)}).delivery for n in range(5)]

    first = listed(service, page_size=3)
    second = listed(service, page_size=3, page_token=first.next_page_token)

    names = [d.name for page in (first, second) for d in page.deliveries]
    assert names == sent[::-1]
    assert second.next_page_token == ""
    assert not first.deliveries[0].result.recipients


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({"recipient": "bob@EXAMPLE.com"}, ["b"]),
        ({"statuses": [delivery_pb.DELIVERY_STATUS_REJECTED]}, ["b"]),
        ({"statuses": [delivery_pb.DELIVERY_STATUS_SUCCESS]}, ["a"]),
        ({"relay": "relays/main"}, ["b", "a"]),
        ({"message_id": "<a@example.com>"}, ["a"]),
        ({"accepted_from": Timestamp(seconds=32503680000)}, []),
        ({"accepted_before": Timestamp(seconds=1)}, []),
    ],
)
def test_a_list_holds_what_meets_all_conditions(service, filter_, found):
    service.relay.refuse("bob@example.com", "550 5.1.1 no")
    service.send(message={"subject": "a", "message_id": "<a@example.com>"})
    service.send(to="bob@example.com", message={"subject": "b"})

    page = listed(service, filter=requests_pb.DeliveryFilter(**filter_))

    assert [d.subject for d in page.deliveries] == found


def test_a_page_token_of_another_filter_is_refused(service):
    for _ in range(2):
        service.send()
    token = listed(service, page_size=1).next_page_token

    with pytest.raises(grpc.RpcError) as caught:
        listed(
            service,
            page_token=token,
            filter=requests_pb.DeliveryFilter(recipient="ada@example.com"),
        )

    assert reason(caught.value) == "INVALID_TOKEN"


def test_every_problem_of_a_request_is_reported_at_once(service):
    message = message_pb.Message(
        from_mailbox=message_pb.Mailbox(address="me"),
        to=[
            message_pb.Mailbox(address="ada@example.com"),
            message_pb.Mailbox(address="x"),
        ],
        subject="a\r\nBcc: eve@example.com",
        headers=[message_pb.Header(name="DKIM-Signature", value="v=1")],
    )

    with pytest.raises(grpc.RpcError) as caught:
        service.stub.SendMessage(
            send_pb.SendMessageRequest(message=message, request_id="a b"), timeout=CALL
        )

    fields = violations(caught.value)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(caught.value) == "INVALID_MESSAGE"
    assert {
        "message.from_mailbox.address",
        "message.to[1].address",
        "message.subject",
        "message.headers[0].name",
        "request_id",
    } <= set(fields)
    assert service.relay.messages == ()


def test_an_unknown_relay_is_not_found(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.send(relay="relays/nowhere")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason(caught.value) == "RELAY_NOT_FOUND"


def test_cancelling_races_with_delivering_and_one_of_them_wins(service):
    """Whatever the race, the answer agrees with what the relay got."""
    for number in range(20):
        name = service.send(
            completion=send_pb.COMPLETION_ACCEPTED, message={"subject": f"n{number}"}
        ).delivery
        with contextlib.suppress(grpc.RpcError):
            cancel(service, name)
        status = service.settled(name).status
        got = [
            m
            for m in service.relay.messages
            if f"Subject: n{number}\r\n".encode() in m.data
        ]

        assert len(got) == (status == delivery_pb.DELIVERY_STATUS_SUCCESS)
        assert status in {
            delivery_pb.DELIVERY_STATUS_SUCCESS,
            delivery_pb.DELIVERY_STATUS_CANCELLED,
        }


def test_concurrent_senders_are_all_served(service):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(service.send().status))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [delivery_pb.DELIVERY_STATUS_SUCCESS] * 40
    assert service.relay.sessions_opened <= 10
