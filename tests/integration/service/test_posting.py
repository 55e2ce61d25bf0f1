"""What is left in the engine of mail that was posted."""

from __future__ import annotations

import threading

import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom_server.delivery.teller import Teller
from postroom_server.delivery.waits import Wait
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import RowRefused
from postroom_server.rpc.items import Item

from tests.support.mail_streams import MailStream, error_reason
from tests.support.service import a_request

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS


@pytest.fixture
def stream(service):
    with MailStream(service) as stream:
        yield stream


def nothing_left(service):
    engine = service.app.engine
    for _ in range(500):
        free = engine._lanes["main"].free == engine._lanes["main"].slots
        if (
            free
            and not engine.waiting("main")
            and not len(engine._posting._hearing._times)
        ):
            return True
        threading.Event().wait(0.02)
    return False


def test_nothing_is_left_of_hundreds_of_mails(service, stream):
    for number in range(500):
        stream.send(f"{number}", to="" if number % 10 == 0 else "ada@example.com")
    stream.half_close()
    outcomes = list(stream.rest())

    assert len(outcomes) == 500
    assert nothing_left(service)


@pytest.mark.parametrize("error", [NotReady("away"), RowRefused("odd")])
def test_a_mail_that_is_not_stored_gives_its_slot_back(
    service, stream, monkeypatch, error
):
    def refuse(*_, **__):
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(service.app.engine.outbox, "begin_accept", refuse)
        stream.send()
        refused = stream.outcome()
    stream.send()

    assert refused.HasField("error")
    assert stream.outcome().result.status == SUCCESS
    assert nothing_left(service)


def test_a_store_that_does_not_answer_is_not_waited_for(service, stream, monkeypatch):
    """Its commit goes on; what it stores of the mail is taken back."""
    outbox = service.app.engine.outbox
    writer = outbox._committer._writer
    commit, go_on = writer.commit, threading.Event()

    def late(works):
        assert go_on.wait(30)
        return commit(works)

    with monkeypatch.context() as slow:
        slow.setattr(writer, "commit", late)
        stream.give(a_request(wait_timeout=Duration(nanos=200_000_000), request_id="r"))
        refused = stream.outcome()
    go_on.set()

    assert error_reason(refused) == "NOT_READY"
    assert nothing_left(service)
    stream.send(request_id="r")
    again = stream.outcome()
    assert again.result.status == SUCCESS
    assert not again.result.replayed


def test_a_defect_is_told_as_one_and_costs_the_others_nothing(
    service, stream, monkeypatch
):
    def defect(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(service.app.engine._sending.intake.__class__, "prepare", defect)
        stream.send()
        told = stream.outcome()
    stream.send()

    assert error_reason(told) == "INTERNAL"
    assert told.error.metadata["incident"]
    assert stream.outcome().result.status == SUCCESS


def test_a_caller_who_fails_to_hear_of_its_mail_costs_no_slot(
    service, stream, monkeypatch
):
    def fail(_item):
        broken.undo()
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Item, "accepted", fail)
        stream.send()
        assert stream.outcome().result.status == SUCCESS

    assert nothing_left(service)


def test_the_thread_that_brings_the_news_tells_the_caller(service, stream, monkeypatch):
    """The one that hears is not woken for an answer."""
    told, tell = [], Teller.tell

    def noted(*arguments):
        told.append(threading.current_thread().name)
        tell(*arguments)

    monkeypatch.setattr(Teller, "tell", noted)
    for _ in range(5):
        stream.send()
        stream.outcome()

    assert "postroom-posting" not in told
    assert len(told) == 5


def test_an_answer_that_two_bring_at_once_is_told_once(service, stream, monkeypatch):
    rung, answer = [], Wait.answer

    def rings_again(wait, known=None):
        found = answer(wait, known)
        if found is not None and not rung:
            rung.append(wait)
            wait.bell()
        return found

    monkeypatch.setattr(Wait, "answer", rings_again)
    stream.send()
    assert stream.outcome().result.status == SUCCESS
    stream.half_close()

    assert not list(stream.rest())
    assert rung
    assert nothing_left(service)


def test_mail_of_a_stream_may_wait_for_company_and_no_other(
    service, stream, monkeypatch
):
    accept, patient = service.app.engine.outbox.begin_accept, []

    def note(*mail, **how):
        patient.append(how.get("patient", False))
        return accept(*mail, **how)

    monkeypatch.setattr(service.app.engine.outbox, "begin_accept", note)
    service.send()
    stream.send()
    stream.outcome()

    assert patient == [False, True]
