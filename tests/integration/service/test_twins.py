"""Callers who come to a delivery that exists already, in whatever state it is."""

from __future__ import annotations

import threading

import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb

from tests.support.service import CALL, a_request

ONCE = send_pb.RetryPolicy(disabled=True)
PATIENCE = 10.0


def retry(service, name, **fields):
    request = requests_pb.RetryDeliveryRequest(delivery=name, **fields)
    return service.stub.RetryDelivery(request, timeout=CALL).result


def put_off(service, **fields):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    return service.send(retry=ONCE, **fields)


@pytest.fixture
def deaf(service, monkeypatch):
    """A service in which an attempt has always ended before its caller goes on."""
    engine = service.app.engine
    hear = engine._dispatcher.hear

    def hear_and_wait(delivery):
        before = _ended(service)
        hear(delivery)
        for _ in range(500):
            if _ended(service) > before:
                return
            threading.Event().wait(0.01)

    monkeypatch.setattr(engine._dispatcher, "hear", hear_and_wait)
    return service


def _ended(service):
    counters = service.app.engine.outbox.counters()
    return counters.ended


def test_a_retry_is_made_though_it_begins_before_its_caller_waits(deaf):
    name = put_off(deaf).delivery

    again = retry(deaf, name)

    assert again.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(deaf.relay.messages) == 1


def test_the_same_request_goes_on_though_it_begins_before_its_caller_waits(deaf):
    put_off(deaf, request_id="r-1")

    again = deaf.send(retry=ONCE, request_id="r-1")

    assert again.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert again.replayed


def test_a_twin_hears_of_an_end_that_came_while_it_looked(service, monkeypatch):
    """It reads the delivery under way, and the end comes before it waits."""
    engine = service.app.engine
    outbox, pool = engine.outbox, engine.relays.by_id["main"].pool
    looked, ended = threading.Event(), threading.Event()
    get = outbox.get

    def get_and_tell(tenant, delivery_id):
        found = get(tenant, delivery_id)
        if threading.current_thread().name != "first" and not looked.is_set():
            looked.set()
            assert ended.wait(PATIENCE)
        return found

    held = threading.Event()
    lend = pool.session

    def session(*args, **fields):
        assert held.wait(PATIENCE)
        return lend(*args, **fields)

    monkeypatch.setattr(pool, "session", session)
    first = service.stub.SendMessage.future(a_request(request_id="r-2"), timeout=CALL)
    for _ in range(500):
        if outbox.find("default", "r-2") is not None:
            break
        threading.Event().wait(0.01)
    monkeypatch.setattr(outbox, "get", get_and_tell)

    second = service.stub.SendMessage.future(a_request(request_id="r-2"), timeout=CALL)
    assert looked.wait(PATIENCE)
    held.set()
    assert first.result().result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    ended.set()

    answer = second.result(timeout=PATIENCE / 2).result
    assert answer.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert answer.replayed


def test_parallel_twins_of_a_retry_send_once_and_one_of_them_is_no_repetition(service):
    name = put_off(service).delivery
    barrier, results = threading.Barrier(8), []

    def again():
        barrier.wait(PATIENCE)
        results.append(retry(service, name, request_id="again"))

    threads = [threading.Thread(target=again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {r.status for r in results} == {delivery_pb.DELIVERY_STATUS_SUCCESS}
    assert sum(not r.replayed for r in results) == 1
    assert len(service.relay.messages) == 1


def test_taking_back_twice_is_harmless_also_when_some_have_it(service):
    service.relay.fail_next("RCPT", "450 4.2.0 later")
    name = service.send(
        to="ada@example.com bob@example.com",
        completion=send_pb.COMPLETION_RELAYED_OR_QUEUED,
        retry=send_pb.RetryPolicy(
            quick_delays=[Duration(seconds=60)], min_delay=Duration(seconds=3600)
        ),
    ).delivery
    request = requests_pb.CancelDeliveryRequest(delivery=name)

    first, second = (
        service.stub.CancelDelivery(request, timeout=CALL) for _ in range(2)
    )

    assert first.result.status == delivery_pb.DELIVERY_STATUS_PARTIAL
    assert first.outcome == second.outcome == requests_pb.CANCEL_OUTCOME_CANCELLED
