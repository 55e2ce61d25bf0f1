"""A disk that hangs: callers are answered in time, and truly."""

from __future__ import annotations

import threading

import grpc
import pytest
from postroom_server.outbox.work import Work

from tests.support.service import CALL, a_request, reason


class Stuck(Work):
    """Holds up every commit that comes after it."""

    def __init__(self):
        super().__init__()
        self.begun, self.released = threading.Event(), threading.Event()

    def perform(self, _connection, /):
        self.begun.set()
        assert self.released.wait(CALL)


@pytest.fixture
def stuck(service):
    work = Stuck()
    run = service.app.engine.outbox._committer.run
    thread = threading.Thread(target=run, args=[work])
    thread.start()
    assert work.begun.wait(CALL)
    yield service
    work.released.set()
    thread.join()


def test_a_caller_hears_before_its_deadline_that_its_mail_was_not_stored(stuck):
    with pytest.raises(grpc.RpcError) as caught:
        stuck.stub.SendMessage(a_request(request_id="r-1"), timeout=1.5)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value) == "NOT_READY"
    assert stuck.relay.messages == ()
