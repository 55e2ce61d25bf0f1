"""Records that the store does not take: they keep nobody else from an answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery import engine
from postroom_server.delivery.recovery import given_up, uncertain
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.marks import marks_in_file
from postroom_server.outbox.work import Outcome
from postroom_server.outbox.works import Save

from tests.support.service import (
    CALL,
    ON_POSTGRES,
    PAUSE,
    of_the_file,
    plain,
    reason,
    running,
)

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
UNCERTAIN = delivery_pb.DELIVERY_STATUS_UNCERTAIN
THREADS = 2
"""As many as deliver for a relay with one session."""


class Refusing:
    """A store that takes no records, and when it is *away* no mail either."""

    def __init__(self, service, monkeypatch):
        writer = service.app.engine.outbox._committer._writer
        self._commit = writer.commit
        self.refuses, self.away = True, False
        monkeypatch.setattr(writer, "commit", self.commit)

    def commit(self, works):
        if self.away or (self.refuses and not any(work.adds for work in works)):
            return [Outcome(error=NotReady("away")) for _ in works]
        return self._commit(works)


class Overtaken:
    """A store in which others have settled each attempt before it is recorded."""

    def __init__(self, service, monkeypatch):
        writer = service.app.engine.outbox._committer._writer
        self._commit = writer.commit
        monkeypatch.setattr(writer, "commit", self.commit)

    def commit(self, works):
        for work in works:
            if isinstance(work, Save):
                before = work._change.before
                change = uncertain(before, given_up("taken over"), before.leased_at)
                self._commit([Save(change)])
        return self._commit(works)


class Late:
    """A store that commits records only as it closes."""

    def __init__(self, service, monkeypatch):
        self._committer = service.app.engine.outbox._committer
        self._commit = self._committer._writer.commit
        self._close = self._committer.close
        self._closing = threading.Event()
        monkeypatch.setattr(self._committer._writer, "commit", self.commit)
        monkeypatch.setattr(self._committer, "close", self.close)

    def commit(self, works):
        if not any(work.adds for work in works):
            assert self._closing.wait(CALL)
        return self._commit(works)

    def close(self):
        self._closing.set()
        self._close()


@pytest.fixture
def one_session(tmp_path, relay):
    """A service whose relay has two delivering threads."""
    relays = {"main": plain(relay.port, pool_size=1, in_flight=1)}
    with running(tmp_path, relays, relay) as service:
        yield service


def delivered(service, mails):
    """Wait until the relay has so many, and no attempt has a slot."""
    for _ in range(1000):
        is_free = not service.app.engine._dispatcher.under_way("main")
        if is_free and len(service.relay.messages) == mails:
            return
        PAUSE.wait(0.01)
    raise AssertionError("never")


def test_mail_is_refused_at_once_while_records_wait_for_the_store(
    one_session, monkeypatch
):
    store = Refusing(one_session, monkeypatch)
    with ThreadPoolExecutor(THREADS) as callers:
        sent = []
        for mails in range(1, THREADS + 1):
            sent.append(callers.submit(one_session.send))
            delivered(one_session, mails)
        store.away = True
        with pytest.raises(grpc.RpcError) as caught:
            one_session.send(timeout=CALL / 2)
        store.away = store.refuses = False
        statuses = {one.result(CALL).status for one in sent}

    assert reason(caught.value) == "NOT_READY"
    assert statuses == {SUCCESS}


def test_mail_is_delivered_while_records_wait_for_the_store(one_session, monkeypatch):
    store = Refusing(one_session, monkeypatch)
    with ThreadPoolExecutor(THREADS + 1) as callers:
        sent = []
        for mails in range(1, THREADS + 2):
            sent.append(callers.submit(one_session.send))
            delivered(one_session, mails)
        store.refuses = False
        statuses = {one.result(CALL).status for one in sent}

    assert statuses == {SUCCESS}


@of_the_file
def test_a_service_that_ends_while_a_record_waits_says_so_at_the_next_start(
    tmp_path, relay, monkeypatch
):
    relays = {"main": plain(relay.port)}
    with ThreadPoolExecutor(1) as callers:
        with running(tmp_path, relays, relay) as service:
            Refusing(service, monkeypatch)
            sent = callers.submit(service.send, request_id="r-1")
            delivered(service, 1)
            began = time.monotonic()
        took = time.monotonic() - began
        assert sent.exception(CALL) or not sent.result().is_final
    with running(tmp_path, relays, relay) as service:
        found = service.send(request_id="r-1")

    assert found.status == UNCERTAIN
    assert len(relay.messages) == 1
    assert took < CALL


@of_the_file
def test_a_stale_record_leaves_no_mark(service, monkeypatch, logged):
    Overtaken(service, monkeypatch)
    service.send(completion=send_pb.COMPLETION_ACCEPTED)
    delivered(service, 1)
    assert service.app.engine._under_way.wait_for_none(CALL)

    assert "delivery.stale_outcome" in logged()
    assert service.app.engine._marks._used == set()


def test_a_record_that_is_stored_as_the_service_ends_is_no_loss(
    tmp_path, relay, monkeypatch, logged
):
    monkeypatch.setattr(engine, "LAST_WORD", 0.1)
    relays = {"main": plain(relay.port)}
    with ThreadPoolExecutor(1) as callers:
        with running(tmp_path, relays, relay) as service:
            Late(service, monkeypatch)
            sent = callers.submit(service.send, request_id="r-1")
            delivered(service, 1)
        sent.exception(CALL)
    told = logged()
    marks = tmp_path / "postroom.db.marks"
    marked = frozenset() if ON_POSTGRES else marks_in_file(marks)
    with running(tmp_path, relays, relay) as service:
        found = service.send(request_id="r-1")

    assert found.status == SUCCESS
    assert "delivery.not_recorded" not in told
    assert "outbox.listener_failed" not in told
    assert marked == frozenset()
