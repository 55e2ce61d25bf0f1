"""A disk that hangs: callers are answered in time, and truly."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom_server.outbox.waiting import Ticket
from postroom_server.outbox.work import Work

from tests.support.service import CALL, PAUSE, a_request, reason


class Stuck(Work):
    """Holds up every commit that comes after it."""

    def __init__(self):
        super().__init__()
        self.begun, self.released = threading.Event(), threading.Event()

    def perform(self, _connection, /):
        self.begun.set()
        assert self.released.wait(CALL)


class Untold(Ticket):
    """Nobody waits for it, and so nobody's patience ends."""

    def tell(self):
        pass


@pytest.fixture
def stuck(service):
    work = Stuck()
    service.app.engine.outbox._committer.begin(Untold(work))
    assert work.begun.wait(CALL)
    service.released = work.released
    yield service
    work.released.set()


@pytest.mark.usefixtures("unhurried")
def test_a_caller_hears_before_its_deadline_that_its_mail_was_not_stored(stuck):
    with pytest.raises(grpc.RpcError) as caught:
        stuck.stub.SendMessage(a_request(request_id="r-1"), timeout=8)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value) == "NOT_READY"
    assert stuck.relay.messages == ()


def until(is_so):
    for _ in range(1000):
        if is_so():
            return
        PAUSE.wait(0.01)
    raise AssertionError("never")


def test_a_drain_waits_for_mail_that_the_store_is_about_to_begin(stuck):
    engine = stuck.app.engine
    dispatcher = engine._dispatcher
    with ThreadPoolExecutor(2) as threads:
        sent = threads.submit(stuck.send)
        until(lambda: dispatcher.under_way("main"))
        drained = threads.submit(engine.drain, CALL)
        until(lambda: dispatcher._awaiting_end or drained.done())
        assert not drained.done()
        stuck.released.set()

        assert drained.result(CALL)
        assert len(stuck.relay.messages) == 1
        assert sent.result(CALL).status == delivery_pb.DELIVERY_STATUS_SUCCESS
