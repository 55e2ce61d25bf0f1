"""Mail for later, and moving it, over the wire to a relay."""

from __future__ import annotations

import email
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1 import stats_pb2 as stats_pb
from postroom.v1.content_pb2 import RenderMessageRequest
from postroom_server.sandbox.mailbox import subject_of

from tests.support.service import (
    CALL,
    PAUSE,
    a_request,
    plain,
    reason,
    running,
    violations,
)
from tests.support.silence import silent_relay

DAY = 86_400
ONCE = send_pb.RetryPolicy(disabled=True)
FAR = send_pb.RetryPolicy(min_delay={"seconds": 3600})
"""The delay is drawn from none up to so much."""
QUEUED = delivery_pb.DELIVERY_STATUS_QUEUED
UNKNOWN = "deliveries/" + "0" * 32


def ahead(seconds: float) -> Timestamp:
    """So many seconds from now."""
    stamp = Timestamp()
    stamp.FromDatetime(
        (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)
    )
    return stamp


def move(service, name, **fields):
    request = requests_pb.RescheduleDeliveryRequest(delivery=name, **fields)
    return service.stub.RescheduleDelivery(request, timeout=CALL).result


def rendered(service, name):
    frames = service.stub.RenderMessage(
        RenderMessageRequest(delivery=name), timeout=CALL
    )
    return b"".join(frame.chunk for frame in frames)


def refused(call, *args, **fields) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **fields)
    return caught.value


def test_mail_for_later_is_answered_at_once_and_waits(service):
    send_at = ahead(DAY)
    result = service.send(send_at=send_at)
    delivery = service.get(result.delivery)

    assert (result.status, result.is_final) == (QUEUED, False)
    assert result.next_attempt_at == send_at
    assert delivery.send_at == send_at
    assert delivery.completion == send_pb.COMPLETION_ACCEPTED
    assert delivery.expire_at.seconds == send_at.seconds + DAY
    assert service.relay.messages == ()


def test_mail_for_later_goes_at_its_time_and_is_dated_then(service):
    send_at = ahead(4.0)
    name = service.send(send_at=send_at).delivery
    result = service.settled(name)
    (mail,) = service.relay.messages
    date = datetime.fromtimestamp(send_at.seconds, UTC)

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.sent_at.ToNanoseconds() >= send_at.ToNanoseconds()
    assert f"Date: {date:%a, %d %b %Y %H:%M:%S} +0000".encode() in mail.data


def test_a_time_in_the_past_means_now(service):
    result = service.send(send_at=Timestamp(seconds=1))
    delivery = service.get(result.delivery)

    assert not delivery.HasField("send_at")
    assert service.settled(result.delivery).status == (
        delivery_pb.DELIVERY_STATUS_SUCCESS
    )


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"send_at": ahead(31 * DAY)}, {"send_at": "must be at most 30 days ahead"}),
        (
            {"send_at": ahead(DAY), "completion": send_pb.COMPLETION_RELAYED},
            {"completion": "must be ACCEPTED, or unset, with send_at"},
        ),
        (
            {"send_at": ahead(DAY), "expire_at": ahead(DAY - 60)},
            {"expire_at": "must be later than send_at"},
        ),
        (
            {"send_at": ahead(DAY), "expire_at": ahead(9 * DAY)},
            {"expire_at": "must be at most 7 days after send_at"},
        ),
        (
            {"send_at": Timestamp(seconds=1), "expire_at": ahead(-1)},
            {"expire_at": "must be later than now"},
        ),
    ],
)
def test_times_that_make_no_sense_are_refused_by_their_field(service, fields, problems):
    error = refused(service.send, **fields)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == problems


def test_a_week_after_a_month_is_still_a_valid_end(service):
    result = service.send(send_at=ahead(29 * DAY), expire_at=ahead(35 * DAY))

    assert result.status == QUEUED


def test_the_same_request_finds_its_mail_again_and_another_time_is_another(service):
    fields = {"send_at": ahead(DAY), "request_id": "tomorrow"}
    first = service.send(**fields)
    again = service.send(**fields)
    error = refused(service.send, **{**fields, "send_at": ahead(2 * DAY)})

    assert (again.delivery, again.replayed) == (first.delivery, True)
    assert reason(error) == "REQUEST_ID_REUSED"


def test_mail_for_later_can_be_taken_back(service):
    name = service.send(send_at=ahead(DAY)).delivery
    request = requests_pb.CancelDeliveryRequest(delivery=name)
    answer = service.stub.CancelDelivery(request, timeout=CALL)

    assert answer.outcome == requests_pb.CANCEL_OUTCOME_CANCELLED
    assert reason(refused(move, service, name)) == "TOO_LATE"


def test_mail_for_later_is_counted_as_scheduled(service):
    service.send(send_at=ahead(DAY))
    request = stats_pb.GetStatsRequest(include_relays=True, include_tenants=True)
    stats = service.stub.GetStats(request, timeout=CALL)

    for part in (stats, stats.relays[0], stats.tenants[0]):
        assert (part.queue.scheduled, part.queue.due, part.queue.retrying) == (1, 0, 0)


def test_moved_to_now_it_goes_now(service):
    name = service.send(send_at=ahead(DAY)).delivery
    moved = move(service, name)

    assert moved.status == QUEUED
    assert service.settled(name).status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(service.relay.messages) == 1


def test_moved_before_its_first_attempt_it_is_dated_when_it_goes(service):
    result = service.send(send_at=ahead(20 * DAY))
    before = datetime.now(UTC).replace(microsecond=0)
    move(service, result.delivery)
    size = service.settled(result.delivery).size_bytes
    (mail,) = service.relay.messages
    date = email.message_from_bytes(mail.data)["Date"]

    assert before <= parsedate_to_datetime(date) <= datetime.now(UTC)
    assert rendered(service, result.delivery) == mail.data
    assert size == len(mail.data)
    assert f"Message-ID: {result.message_id}".encode() in mail.data


def test_a_retry_that_is_moved_keeps_its_date(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    name = service.send(completion=send_pb.COMPLETION_ACCEPTED, retry=FAR).delivery
    while service.get(name).result.status != delivery_pb.DELIVERY_STATUS_RETRY:
        PAUSE.wait(0.02)
    first = rendered(service, name)
    move(service, name, send_at=ahead(2))
    service.settled(name)

    assert service.relay.messages[0].data == first


def test_moved_to_later_it_takes_its_expiry_along(service):
    name = service.send(send_at=ahead(60), expire_at=ahead(3660)).delivery
    later = ahead(2 * DAY)
    moved = move(service, name, send_at=later)
    delivery = service.get(name)

    assert moved.next_attempt_at == delivery.send_at == later
    assert abs(delivery.expire_at.seconds - later.seconds - 3600) <= 1


def test_a_retry_can_be_moved_and_stays_a_retry(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    accepted = send_pb.COMPLETION_ACCEPTED
    name = service.send(completion=accepted, retry=FAR).delivery
    while service.get(name).result.status != delivery_pb.DELIVERY_STATUS_RETRY:
        PAUSE.wait(0.02)
    later = ahead(DAY)
    moved = move(service, name, send_at=later)

    assert moved.status == delivery_pb.DELIVERY_STATUS_RETRY
    assert moved.next_attempt_at == later
    move(service, name)
    assert service.settled(name).status == delivery_pb.DELIVERY_STATUS_SUCCESS


def test_moving_with_a_request_id_happens_once(service):
    name = service.send(send_at=ahead(DAY)).delivery
    first, second = ahead(2 * DAY), ahead(3 * DAY)
    move(service, name, send_at=first, request_id="move-1")
    move(service, name, send_at=second)
    again = move(service, name, send_at=first, request_id="move-1")
    error = refused(move, service, name, send_at=second, request_id="move-1")

    assert again.replayed
    assert again.next_attempt_at == second
    assert reason(error) == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"send_at": ahead(31 * DAY)}, {"send_at": "must be at most 30 days ahead"}),
        ({"expire_at": ahead(-5)}, {"expire_at": "must be later than now"}),
        (
            {"request_id": "a b"},
            {"request_id": "must be 1 to 256 printable ASCII characters"},
        ),
    ],
)
def test_a_move_that_makes_no_sense_changes_nothing(service, fields, problems):
    name = service.send(send_at=ahead(DAY)).delivery
    before = service.get(name)
    error = refused(move, service, name, **fields)

    assert violations(error) == problems
    assert service.get(name) == before


def test_a_delivery_that_is_not_there_is_not_moved(service):
    assert reason(refused(move, service, UNKNOWN)) == "DELIVERY_NOT_FOUND"


def test_what_is_over_is_not_moved(service):
    done = service.send().delivery

    assert reason(refused(move, service, done)) == "TOO_LATE"


def test_what_is_under_way_is_not_moved(tmp_path, relay):
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port)}, relay) as service,
    ):
        accepted = send_pb.COMPLETION_ACCEPTED
        name = service.send(completion=accepted).delivery
        while service.get(name).result.status != delivery_pb.DELIVERY_STATUS_SENDING:
            PAUSE.wait(0.02)

        assert reason(refused(move, service, name, send_at=ahead(60))) == "TOO_LATE"


def test_a_caller_who_waits_is_answered_when_the_mail_is_moved_to_later(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    slow = send_pb.RetryPolicy()
    slow.quick_delays.add(seconds=60)
    waiting = service.stub.SendMessage.future(
        a_request(retry=slow, request_id="waited-for"), timeout=120
    )
    selector = requests_pb.GetDeliveryRequest(request_id="waited-for")
    while True:
        try:
            found = service.stub.GetDelivery(selector, timeout=CALL).delivery
        except grpc.RpcError:
            continue
        if found.result.status == delivery_pb.DELIVERY_STATUS_RETRY:
            break
        PAUSE.wait(0.02)
    move(service, found.name, send_at=ahead(DAY))
    answer = waiting.result(CALL).result

    assert answer.status == delivery_pb.DELIVERY_STATUS_RETRY
    assert service.get(found.name).completion == send_pb.COMPLETION_ACCEPTED


def test_moving_races_with_taking_back_and_delivering_and_one_of_them_wins(service):
    names = [service.send(send_at=ahead(0.3)).delivery for _ in range(12)]
    together = threading.Barrier(3)

    lost = []

    def race(act):
        together.wait(CALL)
        for name in names:
            try:
                act(name)
            except grpc.RpcError as error:
                lost.append(reason(error))

    def take_back(name):
        request = requests_pb.CancelDeliveryRequest(delivery=name)
        service.stub.CancelDelivery(request, timeout=CALL)

    acts = [
        lambda name: move(service, name),
        take_back,
        lambda name: move(service, name, send_at=ahead(0.1)),
    ]
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(race, act) for act in acts]:
            done.result()
    ends = [service.settled(name).status for name in names]
    delivered = ends.count(delivery_pb.DELIVERY_STATUS_SUCCESS)

    assert delivered + ends.count(delivery_pb.DELIVERY_STATUS_CANCELLED) == 12
    assert set(lost) <= {"TOO_LATE"}
    assert len(service.relay.messages) == delivered


@pytest.fixture
def overdue(tmp_path, relay):
    """A service whose mail waits until it is started again, by one with one slot."""
    relays = {"main": plain(relay.port, pool_size=1)}

    @contextmanager
    def again():
        with running(tmp_path, relays, relay) as service:
            yield service

    with again() as service:
        service.app.engine._dispatcher.stop()
        yield service, again


def test_mail_that_fell_due_while_the_service_was_down_goes_at_the_start(
    overdue, relay
):
    service, again = overdue
    late = service.send(send_at=ahead(0.5), expire_at=ahead(DAY)).delivery
    end = ahead(4.0)
    gone = service.send(send_at=ahead(0.5), expire_at=end).delivery
    service.app.close()
    while ahead(0).ToNanoseconds() <= end.ToNanoseconds():
        PAUSE.wait(0.05)
    with again() as service:
        assert service.settled(late).status == delivery_pb.DELIVERY_STATUS_SUCCESS
        assert service.settled(gone).status == delivery_pb.DELIVERY_STATUS_EXPIRED
    assert len(relay.messages) == 1


def test_urgent_mail_overtakes_what_waits(overdue, relay):
    service, again = overdue
    accepted = send_pb.COMPLETION_ACCEPTED
    words = {
        "bulk": send_pb.PRIORITY_BULK,
        "plain": send_pb.PRIORITY_UNSPECIFIED,
        "urgent": send_pb.PRIORITY_URGENT,
    }
    names = [
        service.send(
            message={"subject": word}, completion=accepted, priority=priority
        ).delivery
        for word, priority in words.items()
    ]
    service.app.close()
    with again() as service:
        for name in names:
            service.settled(name)
        assert service.get(names[-1]).priority == send_pb.PRIORITY_URGENT
    order = [subject_of(mail.data) for mail in relay.messages]

    assert order == ["urgent", "plain", "bulk"]
