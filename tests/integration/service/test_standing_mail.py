"""Mail of a stream that stands for a slot, and what may happen to it there."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery import standing
from postroom_server.domain.errors import NotReady

from tests.support.mail_streams import MailStream, error_reason
from tests.support.service import CALL, ON_POSTGRES, PAUSE, plain, running
from tests.support.silence import silent_relay

pytestmark = pytest.mark.skipif(
    ON_POSTGRES, reason="nothing stands where processes share a store"
)
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
OR_QUEUED = send_pb.COMPLETION_RELAYED_OR_QUEUED
MAILS = 40


@pytest.fixture
def long(monkeypatch):
    """Mail may stand as long as the machine needs."""
    monkeypatch.setattr(standing, "STAND", 0.45 * CALL)


@pytest.fixture
def narrow(tmp_path, relay, long):
    """A service whose relay takes one mail at a time."""
    with running(tmp_path, {"main": plain(relay.port, pool_size=1)}, relay) as service:
        yield service


@pytest.fixture
def stuck(tmp_path, relay):
    """A service whose one slot is taken by an attempt that does not end."""
    with silent_relay() as silent:
        relays = {"main": plain(silent.port, pool_size=1)}
        with running(tmp_path, relays, relay) as service:
            yield service


def stands(service, mails=1):
    """Whether so many mails stand, within a while."""
    lines = service.app.engine._posting._standing._lines
    for _ in range(int(CALL / 0.01)):
        if sum(len(line.mails) for line in list(lines.values())) >= mails:
            return True
        PAUSE.wait(0.01)
    return False


@contextmanager
def all_standing(service):
    """What is sent in the block stands, `MAILS` of it, until its end."""
    dispatcher = service.app.engine._dispatcher
    assert dispatcher.reserve("main", "default")
    try:
        yield
        assert stands(service, MAILS)
    finally:
        dispatcher.give_back("main", {"default": 1})


def test_mail_that_stood_is_never_claimed(narrow, monkeypatch):
    claims = []
    monkeypatch.setattr(narrow.app.engine.outbox, "claim", claims.append)
    with MailStream(narrow) as stream:
        with all_standing(narrow):
            for number in range(MAILS):
                stream.send(to=f"n{number}@example.com")
        outcomes = stream.outcomes(MAILS)

    assert {one.result.status for one in outcomes.values()} == {SUCCESS}
    assert [mail.recipients for mail in narrow.relay.messages] == [
        (f"n{number}@example.com",) for number in range(MAILS)
    ]
    assert not claims


def test_mail_that_stood_is_accepted_in_the_commit_that_records_the_one_before(narrow):
    commits = narrow.app.engine.outbox.commits
    before = sum(commits().works.bucket_counts)
    with MailStream(narrow) as stream:
        with all_standing(narrow):
            for number in range(MAILS):
                stream.send(to=f"n{number}@example.com")
        stream.outcomes(MAILS)

    # Else it were two for each.
    assert sum(commits().works.bucket_counts) - before < 1.5 * MAILS


def test_what_the_store_refuses_is_told_and_the_next_takes_its_slot(
    narrow, monkeypatch
):
    accept, refused = narrow.app.engine.outbox.begin_accept, []

    def refuse_one(*mail, **how):
        # What stood is given to the store by who delivered the mail before.
        by = threading.current_thread().name
        if not refused and by.startswith("postroom-deliver"):
            refused.append(mail)
            raise NotReady("away")
        return accept(*mail, **how)

    monkeypatch.setattr(narrow.app.engine.outbox, "begin_accept", refuse_one)
    with MailStream(narrow) as stream:
        with all_standing(narrow):
            for _ in range(MAILS):
                stream.send()
        outcomes = stream.outcomes(MAILS).values()

    told = [error_reason(one) for one in outcomes if one.HasField("error")]
    assert told == ["NOT_READY"]
    assert sum(one.result.status == SUCCESS for one in outcomes) == MAILS - 1


def test_the_same_request_twice_in_the_line_is_one_mail(narrow):
    with MailStream(narrow) as stream:
        for number in range(MAILS):
            stream.send(request_id=f"r-{number // 2}", to=f"n{number // 2}@example.com")
        outcomes = stream.outcomes(MAILS).values()

    assert len({one.result.delivery for one in outcomes}) == MAILS // 2
    assert {one.result.status for one in outcomes} == {SUCCESS}
    assert len(narrow.relay.messages) == MAILS // 2


def test_a_slot_that_was_given_back_is_taken_by_what_stands(narrow):
    dispatcher = narrow.app.engine._dispatcher
    assert dispatcher.reserve("main", "default")
    with MailStream(narrow) as stream:
        stream.send()
        assert stands(narrow)
        began = time.monotonic()
        # As for mail that was not stored, or retries that were not there after all.
        dispatcher.give_back("main", {"default": 1})
        status = stream.outcome().result.status
        took = time.monotonic() - began

    assert status == SUCCESS
    assert took < standing.STAND / 2


def test_mail_stands_for_a_moment_and_is_then_in_the_store(stuck, monkeypatch):
    monkeypatch.setattr(standing, "STAND", 4.0)
    with MailStream(stuck) as stream:
        for number in range(3):
            stream.send(request_id=f"r-{number}")
        assert stands(stuck)

        found = found_by_request(stuck, "r-2")

    assert found.result.status == delivery_pb.DELIVERY_STATUS_QUEUED


def test_who_leaves_while_mail_stands_leaves_it_to_us(stuck, long):
    with MailStream(stuck) as stream:
        for number in range(2):
            stream.send(request_id=f"r-{number}", completion=OR_QUEUED)
        assert stands(stuck)
        stream.call.cancel()

        found = found_by_request(stuck, "r-1")

    assert found.result.status == delivery_pb.DELIVERY_STATUS_QUEUED


def test_what_stands_when_the_service_ends_is_kept(tmp_path, relay, long):
    with silent_relay() as silent:
        relays = {"main": plain(silent.port, pool_size=1)}
        with running(tmp_path, relays, relay) as service, MailStream(service) as stream:
            for number in range(2):
                stream.send(request_id=f"r-{number}", completion=OR_QUEUED)
            assert stands(service)
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay) as service:
        found = found_by_request(service, "r-1")

        assert service.settled(found.name).status == SUCCESS


def found_by_request(service, request_id):
    """The delivery that it made, within a while."""
    asked = requests_pb.GetDeliveryRequest(request_id=request_id)
    for _ in range(int(CALL / 0.02)):
        try:
            return service.stub.GetDelivery(asked, timeout=CALL).delivery
        except Exception:  # noqa: BLE001  there is none yet
            PAUSE.wait(0.02)
    raise AssertionError(f"no delivery of {request_id}")
