"""One tenant can't take all threads of a kind: the others go on."""

from __future__ import annotations

import threading

import grpc
import pytest
from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1.send_pb2 import SendMessageRequest, SendMessageResponse
from postroom_server.rpc import adapter
from postroom_server.rpc.pools import PoolKind, PoolPlan

from tests.support.callers import a_caller
from tests.support.raw_http2 import RawConnection

SEND = "/postroom.v1.DeliveryService/SendMessage"
A, B = a_caller("a-web", tenant="a"), a_caller("b-web", tenant="b")
BOTH = (A.credential, B.credential)
FOUR = {PoolKind.DELIVER: PoolPlan(4, 2, patience=20.0)}


@pytest.fixture
def waiting(release):
    """A behaviour that waits for the end of the test, and counts who is inside."""
    inside = threading.Semaphore(0)

    def wait(_request, _call):
        inside.release()
        assert release.wait(20)
        return SendMessageResponse()

    wait.inside = inside
    return wait


def test_sends_of_one_tenant_leave_threads_to_another(serve, refused, waiting, release):
    running = serve({"SendMessage": waiting}, FOUR, credentials=BOTH)
    stub = running.stub()
    mine, theirs = {"metadata": A.metadata}, {"metadata": B.metadata}
    calls = [stub.SendMessage.future(SendMessageRequest(), **mine) for _ in range(3)]
    for _ in calls:
        assert waiting.inside.acquire(timeout=20)
    fourth = refused(stub.SendMessage, SendMessageRequest(), **mine)
    other = stub.SendMessage.future(SendMessageRequest(), **theirs)
    assert waiting.inside.acquire(timeout=20)
    release.set()

    assert (fourth.code, fourth.info.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "OVERLOADED",
    )
    assert [call.result(20) for call in (*calls, other)] == [SendMessageResponse()] * 4


def test_a_token_without_bodies_does_not_hold_another_tenant_up(serve):
    running = serve(plans=FOUR, credentials=BOTH)
    with RawConnection(running.server.address) as raw:
        for _ in range(40):
            raw.call(SEND, A.metadata)
        # Three hang, the others are turned away.
        running.records.until(37)
        answer = running.stub().SendMessage(
            SendMessageRequest(), timeout=20, metadata=B.metadata
        )

    assert answer == SendMessageResponse()


def test_the_only_tenant_has_all_threads(serve, waiting, release):
    again = a_caller("a-cron", tenant="a")
    credentials = (A.credential, again.credential)
    stub = serve({"SendMessage": waiting}, FOUR, credentials=credentials).stub()
    calls = [
        stub.SendMessage.future(SendMessageRequest(), metadata=A.metadata)
        for _ in range(4)
    ]
    for _ in calls:
        assert waiting.inside.acquire(timeout=20)
    release.set()

    assert all(call.result(20) is not None for call in calls)


def test_looking_is_shared_too(serve, release):
    inside = threading.Semaphore(0)

    def slow(_request, call):
        if call.principal.tenant == "a":
            inside.release()
            assert release.wait(20)
        return looking.ListDeliveriesResponse()

    plans = {PoolKind.CONTROL: PoolPlan(4, 8, patience=20.0)}
    running = serve({"ListDeliveries": slow}, plans, credentials=BOTH)
    stub = running.stub()
    asked = looking.ListDeliveriesRequest()
    lists = [stub.ListDeliveries.future(asked, metadata=A.metadata) for _ in range(12)]
    for _ in range(3):
        assert inside.acquire(timeout=20)
    # Three hang, the others are turned away: until then the pool is full.
    running.records.until(9)
    answer = stub.ListDeliveries(asked, timeout=20, metadata=B.metadata)
    release.set()

    assert answer == looking.ListDeliveriesResponse()
    assert sum(one.exception(20) is None for one in lists) == 3


LARGE = SendMessageRequest(relay="x" * 600_000)


def test_large_mails_leave_memory_to_others(
    serve, refused, waiting, release, monkeypatch
):
    monkeypatch.setattr(adapter, "IN_HAND", 2_500_000)
    running = serve({"SendMessage": waiting}, credentials=BOTH)
    send = running.stub().SendMessage
    calls = [send.future(LARGE, metadata=A.metadata) for _ in range(3)]
    for _ in calls:
        assert waiting.inside.acquire(timeout=20)
    fourth = refused(send, LARGE, metadata=A.metadata)
    calls.append(send.future(SendMessageRequest(), metadata=A.metadata))
    calls.append(send.future(LARGE, metadata=B.metadata))
    for _ in range(2):
        assert waiting.inside.acquire(timeout=20)
    release.set()

    assert fourth.info.reason == "OVERLOADED"
    assert [call.result(20) for call in calls] == [SendMessageResponse()] * 5
