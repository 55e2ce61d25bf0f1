"""What callers of one process want of mail that another has: back, or news of it."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import event_pb2 as event_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery import afar, watching
from postroom_server.outbox.postgres.news import News
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import serving, until
from tests.support.postgres import postgres
from tests.support.service import CALL, a_request, reason
from tests.support.silence import silent_relay

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
CANCELLED = delivery_pb.DELIVERY_STATUS_CANCELLED
RETRY = delivery_pb.DELIVERY_STATUS_RETRY
PATIENCE = 30.0
pytestmark = pytest.mark.timeout(180)
FOREVER = 3600.0


@contextmanager
def two(folder, relay):
    url = postgres().fresh()
    with (
        serving(folder / "a", url, relay) as first,
        serving(folder / "b", url, relay) as second,
    ):
        yield first, second


@pytest.fixture
def relay():
    with SandboxRelay() as started:
        yield started


@pytest.fixture
def pair(tmp_path, relay):
    with two(tmp_path, relay) as services:
        yield services


@pytest.fixture
def silent(tmp_path):
    """Two services whose relay never says a word."""
    with silent_relay() as relay, two(tmp_path, relay) as services:
        yield (*services, relay)


@pytest.fixture
def deaf(monkeypatch):
    """Notices don't come."""
    monkeypatch.setattr(News, "take", lambda *_: None)


def cancel(service, name, **fields):
    request = requests_pb.CancelDeliveryRequest(delivery=name, **fields)
    return service.stub.CancelDelivery(request, timeout=CALL)


def under_way(service):
    """The name of the one delivery that is under way there."""
    controls = service.app.engine._under_way._controls
    until(lambda: controls)
    (delivery_id,) = controls
    return f"deliveries/{delivery_id}"


def begun(silent):
    """A send of the first, and the name of its delivery, whose attempt is made."""
    first, _, relay = silent
    call = first.stub.SendMessage.future(a_request(), timeout=CALL)
    name = under_way(first)
    assert relay.connected.wait(PATIENCE)
    return call, name


def test_an_attempt_is_broken_off_from_another_process(silent):
    call, name = begun(silent)
    answer = cancel(silent[1], name)

    assert answer.outcome == requests_pb.CANCEL_OUTCOME_CANCELLED
    assert answer.result.status == CANCELLED
    assert call.result(PATIENCE).result.status == CANCELLED


def test_it_is_broken_off_though_no_notice_comes(silent, deaf):
    call, name = begun(silent)
    answer = cancel(silent[1], name)

    assert call.result(PATIENCE).result.status == CANCELLED
    assert answer.outcome in {
        requests_pb.CANCEL_OUTCOME_CANCELLED,
        requests_pb.CANCEL_OUTCOME_PENDING,
    }


def test_the_same_cancellation_again_is_the_same(silent):
    _, name = begun(silent)
    answers = [cancel(silent[1], name, request_id="c") for _ in range(2)]

    assert [a.result.status for a in answers] == [CANCELLED] * 2


def held_past_the_end(service):
    """Attempts there wait past their end of data, until the event is set."""
    go_on, there = threading.Event(), threading.Event()
    outbox = service.app.engine._worker._ports.outbox
    holds = outbox.holds

    def hold(delivery):
        there.set()
        assert go_on.wait(PATIENCE)
        return holds(delivery)

    outbox.holds = hold
    return go_on, there


def test_past_its_end_of_data_it_is_too_late(pair):
    first, second = pair
    go_on, there = held_past_the_end(first)
    call = first.stub.SendMessage.future(a_request(), timeout=CALL)
    assert there.wait(PATIENCE)
    with pytest.raises(grpc.RpcError) as refused:
        cancel(second, under_way(first))
    go_on.set()

    assert reason(refused.value) == "TOO_LATE"
    assert call.result(PATIENCE).result.status == SUCCESS


def test_what_is_pending_is_not_tried_again(pair, relay, monkeypatch):
    """The attempt ends without having seen that it is to be broken off."""
    first, second = pair
    first.app.engine._elsewhere.run_once = lambda: None
    second.app.engine._dispatcher.stop()
    relay.fail_next("END", "451 4.3.0 later")
    go_on, there = held_past_the_end(first)
    accepted = send_pb.COMPLETION_ACCEPTED
    first.stub.SendMessage(a_request(completion=accepted), timeout=CALL)
    assert there.wait(PATIENCE)
    name = under_way(first)
    answer = cancel(second, name, request_id="c")
    go_on.set()
    result = second.settled(name)

    assert answer.outcome == requests_pb.CANCEL_OUTCOME_PENDING
    assert result.status == CANCELLED
    assert relay.messages == ()


def test_mail_that_waits_for_a_retry_is_taken_back_and_its_caller_hears(pair, relay):
    first, second = pair
    relay.fail_next("MAIL", "451 4.3.0 later")
    retry = send_pb.RetryPolicy(quick_delays=[{"seconds": 25}])
    call = first.stub.SendMessage.future(a_request(retry=retry), timeout=CALL)
    (name,) = listed(second, RETRY)
    answer = cancel(second, name)

    assert answer.outcome == requests_pb.CANCEL_OUTCOME_CANCELLED
    assert call.result(PATIENCE / 2).result.status == CANCELLED


def listed(service, status):
    """The names of what has that status, as soon as something has."""
    names = []
    request = requests_pb.ListDeliveriesRequest()

    def look():
        answer = service.stub.ListDeliveries(request, timeout=CALL)
        results = [delivery.result for delivery in answer.deliveries]
        names[:] = [r.delivery for r in results if r.status == status]
        return names

    until(look)
    return names


def queued(service) -> grpc.Future:
    """A send that waits for an outcome, which this service will not see to."""
    service.app.engine._dispatcher.stop()
    completion = send_pb.COMPLETION_RELAYED_OR_QUEUED
    # At its end everybody looks: what is to be shown comes long before.
    request = a_request(completion=completion)
    return service.stub.SendMessage.future(request, timeout=3 * PATIENCE)


def test_a_caller_hears_of_mail_that_another_process_sent(pair, monkeypatch):
    monkeypatch.setattr(afar, "MOST_PAUSE", FOREVER)
    monkeypatch.setattr(afar, "FIRST_LOOK", FOREVER)

    assert queued(pair[0]).result(PATIENCE).result.status == SUCCESS


def test_a_caller_finds_mail_that_another_process_sent(pair, deaf):
    assert queued(pair[0]).result(PATIENCE).result.status == SUCCESS


def watched(first, second):
    """The kinds of what a watcher at the second hears of a mail of the first."""
    request = event_pb.WatchDeliveriesRequest()
    stream = second.stub.WatchDeliveries(request, timeout=PATIENCE)
    next(stream)
    elsewhere = second.app.engine._elsewhere
    until(lambda: elsewhere._watch_at > 0)
    until(lambda: first.app._outbox._node.news._watched_until > 0 or _is_deaf())
    first.send()
    kinds = []
    for response in stream:
        kinds += [event.kind for event in response.events]
        if event_pb.EVENT_KIND_DELIVERED in kinds:
            break
    stream.cancel()
    return kinds


def _is_deaf() -> bool:
    return News.take.__name__ == "<lambda>"


def test_events_of_another_process_are_told_at_once(pair, monkeypatch):
    monkeypatch.setattr(watching, "POLL", FOREVER)

    assert event_pb.EVENT_KIND_DELIVERED in watched(*pair)


def test_events_of_another_process_are_told_though_no_notice_comes(pair, deaf):
    assert event_pb.EVENT_KIND_DELIVERED in watched(*pair)
