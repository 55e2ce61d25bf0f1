"""The same request, made of two processes: one delivery, one mail, one answer."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery import afar, elsewhere
from postroom_server.outbox.postgres.news import News
from postroom_server.rpc import context
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import serving, until
from tests.support.postgres import postgres
from tests.support.service import CALL, a_request

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
TEMP_FAILED = delivery_pb.DELIVERY_STATUS_TEMP_FAILED
PATIENCE = 30.0
pytestmark = pytest.mark.timeout(180)
ONCE = send_pb.RetryPolicy(disabled=True)


class Pair:
    """Two services on one store; attempts of the first wait for *held*."""

    def __init__(self, first, second, relay):
        self.first, self.second, self.relay = first, second, relay
        self.held, self.begun = threading.Event(), threading.Event()
        pool = first.app.engine.relays.by_id["main"].pool
        lend = pool.session

        def session(*args, **fields):
            self.begun.set()
            assert self.held.wait(PATIENCE)
            return lend(*args, **fields)

        pool.session = session

    def twins(self, **fields):
        """A call to each, the second when the attempt of the first is under way."""
        request = a_request(request_id="twin", **fields)
        one = self.first.stub.SendMessage.future(request, timeout=CALL)
        assert self.begun.wait(PATIENCE)
        other = self.second.stub.SendMessage.future(request, timeout=CALL)
        fleet = self.first.app.engine._elsewhere._here.fleet
        until(lambda: fleet.asked().waits)
        return one, other


@contextmanager
def paired(folder, relay):
    url = postgres().fresh()
    with (
        serving(folder / "a", url, relay) as first,
        serving(folder / "b", url, relay) as second,
    ):
        pair = Pair(first, second, relay)
        try:
            yield pair
        finally:
            pair.held.set()


@pytest.fixture
def pair(tmp_path):
    with SandboxRelay() as relay, paired(tmp_path, relay) as made:
        yield made


def test_a_twin_joins_the_attempt_of_another_process(pair):
    one, other = pair.twins()
    pair.held.set()
    results = [call.result(CALL).result for call in (one, other)]

    assert [r.status for r in results] == [SUCCESS, SUCCESS]
    assert results[0].delivery == results[1].delivery
    assert [r.replayed for r in results] == [False, True]
    assert len(pair.relay.messages) == 1


def test_a_twin_hears_of_the_outcome_without_looking_for_it(pair, monkeypatch):
    one, other = pair.twins()
    wait_room = pair.second.app.engine._waits
    monkeypatch.setattr(afar, "MOST_PAUSE", 3600.0)
    # Its next look is in the far future: only a notice can tell.
    until(lambda: _put_off_looks(wait_room))
    pair.held.set()

    assert other.result(PATIENCE).result.status == SUCCESS
    assert one.result(PATIENCE).result.status == SUCCESS


def _put_off_looks(room) -> bool:
    waits = [wait for waits in room._waits.values() for wait in waits]
    for wait in waits:
        wait.look_at = 1e9
    return bool(waits)


def test_a_twin_finds_the_outcome_though_no_notice_comes(pair, monkeypatch):
    monkeypatch.setattr(News, "take", lambda *_: None)
    one, other = pair.twins()
    pair.held.set()

    assert other.result(PATIENCE).result.status == SUCCESS
    assert one.result(PATIENCE).result.status == SUCCESS


def test_mail_goes_on_for_a_twin_elsewhere_when_its_own_caller_leaves(pair):
    one, other = pair.twins()
    one.cancel()
    until(lambda: pair.first.app.engine.waiting("main") == 0)
    pair.held.set()

    assert other.result(PATIENCE).result.status == SUCCESS
    assert len(pair.relay.messages) == 1


def test_it_goes_on_though_nobody_heard_of_the_twin(pair, monkeypatch):
    """The store is asked before a relayed send is given up."""
    monkeypatch.setattr(elsewhere, "POLL", 3600.0)
    monkeypatch.setattr(News, "take", lambda *_: None)
    request = a_request(request_id="twin")
    one = pair.first.stub.SendMessage.future(request, timeout=CALL)
    assert pair.begun.wait(PATIENCE)
    pair.first.app.engine._elsewhere.run_once = lambda: None
    other = pair.second.stub.SendMessage.future(request, timeout=CALL)
    fleet = pair.first.app.engine._elsewhere._here.fleet
    until(lambda: fleet.asked().waits)
    one.cancel()
    until(lambda: pair.first.app.engine.waiting("main") == 0)
    pair.held.set()

    assert other.result(PATIENCE).result.status == SUCCESS


def test_it_ends_when_the_last_of_all_callers_leaves(pair):
    one, other = pair.twins()
    delivery_id = _only(pair)
    control = pair.first.app.engine._under_way.get(delivery_id)
    one.cancel()
    until(lambda: pair.first.app.engine.waiting("main") == 0)
    other.cancel()
    until(lambda: control.deadline.passed)
    pair.held.set()

    assert pair.second.settled(f"deliveries/{delivery_id}").status == TEMP_FAILED
    assert pair.relay.messages == ()


def test_mail_that_waits_for_a_retry_ends_when_the_last_of_all_callers_leaves(pair):
    pair.held.set()
    pair.relay.fail_next("MAIL", "451 4.3.0 later")
    retry = send_pb.RetryPolicy(quick_delays=[{"seconds": 25}])
    one, other = pair.twins(retry=retry)
    delivery_id = _only(pair)
    one.cancel()
    until(lambda: pair.first.app.engine.waiting("main") == 0)
    other.cancel()

    assert pair.first.settled(f"deliveries/{delivery_id}").status == TEMP_FAILED
    assert len(pair.first.get(f"deliveries/{delivery_id}").result.attempts) == 1


def test_a_twin_that_runs_out_of_time_leaves_the_mail_to_the_first(pair, monkeypatch):
    # The answer of a busy machine takes longer than the usual quarter of a second.
    monkeypatch.setattr(context, "MARGIN", 3.0)
    request = a_request(request_id="twin")
    one = pair.first.stub.SendMessage.future(request, timeout=CALL)
    assert pair.begun.wait(PATIENCE)
    other = pair.second.stub.SendMessage(request, timeout=12.0).result
    pair.held.set()

    assert other.status == delivery_pb.DELIVERY_STATUS_SENDING
    assert one.result(PATIENCE).result.status == SUCCESS


def test_a_twin_takes_over_when_the_process_of_the_first_is_gone(pair):
    """What was lost goes on, since somebody waits for it."""
    one, other = pair.twins()
    node = pair.first.app._outbox._node
    outbox = pair.second.app._outbox
    link = outbox._node._connect(str)
    link.run("deregister", (node.owner,))
    link.close()
    pair.second.app.engine._taking_over._is_marked = lambda _: False
    pair.second.app.engine._taking_over.run_once()
    result = other.result(PATIENCE).result
    one.cancel()

    assert result.status == SUCCESS
    assert len(pair.relay.messages) == 1


def test_many_twins_of_two_processes_send_once(pair):
    pair.held.set()
    requests = [a_request(request_id=f"m-{n % 5}") for n in range(40)]
    stubs = (pair.first.stub, pair.second.stub)
    calls = [
        stubs[n % 2].SendMessage.future(request, timeout=CALL)
        for n, request in enumerate(requests)
    ]
    results = [call.result(PATIENCE).result for call in calls]

    assert {r.status for r in results} == {SUCCESS}
    assert len({r.delivery for r in results}) == 5
    assert len(pair.relay.messages) == 5


def _only(pair) -> str:
    ((_, delivery_id),) = pair.first.app.engine._elsewhere._here.fleet.asked().waits
    return delivery_id


def test_a_call_that_is_refused_is_refused_by_each(pair):
    pair.held.set()
    pair.first.send(request_id="one")
    with pytest.raises(grpc.RpcError) as refused:
        pair.second.send(request_id="one", message={"subject": "another"})

    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
