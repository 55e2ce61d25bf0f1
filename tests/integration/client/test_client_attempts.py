from __future__ import annotations

import logging
import threading

import grpc
import pytest
from postroom import (
    Client,
    DeadlineExceeded,
    InternalError,
    Overloaded,
    PostroomError,
    Unavailable,
)

from tests.integration.client.answers import sent
from tests.support.fake_service import Refusal

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}
BUSY = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED", retry_after=0.5)
BROKEN = Refusal(code=grpc.StatusCode.UNAVAILABLE, text="Socket closed")


def test_a_busy_service_is_asked_again_with_the_same_request(client, service, pauses):
    service.script("SendMessage", BUSY, BUSY, sent())

    assert client.send(**MAIL).delivered
    assert len({request.request_id for request in service.requests}) == 1
    assert len(service.requests) == 3
    assert all(0.5 <= pause <= 0.625 for pause in pauses)


def test_patience_ends_after_four_attempts(client, service, pauses):
    service.script("SendMessage", *[BUSY] * 5)
    with pytest.raises(Overloaded) as refusal:
        client.send(**MAIL)

    assert len(service.requests) == 4
    assert len(pauses) == 3
    assert refusal.value.nothing_sent


def test_the_number_of_attempts_is_the_callers_choice(connect, service):
    service.script("SendMessage", BUSY)
    with connect(service.target, max_attempts=1) as client, pytest.raises(Overloaded):
        client.send(**MAIL)

    assert len(service.requests) == 1


def test_a_service_that_asks_for_no_more_calls_is_obeyed(client, service):
    never = Refusal(
        code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED", pushback="-1"
    )
    service.script("SendMessage", never)

    with pytest.raises(Overloaded):
        client.send(**MAIL)
    assert len(service.requests) == 1


def test_any_other_error_is_final(client, service):
    service.script(
        "SendMessage", Refusal(code=grpc.StatusCode.INTERNAL, reason="INTERNAL")
    )

    with pytest.raises(InternalError):
        client.send(**MAIL)
    assert len(service.requests) == 1


def test_doubt_of_an_early_attempt_is_not_forgotten(client, service):
    service.script("SendMessage", BROKEN, *[BUSY] * 3)
    with pytest.raises(Overloaded) as refusal:
        client.send(**MAIL, request_id="mine")

    assert not refusal.value.nothing_sent
    assert "request_id='mine'" in str(refusal.value)


def test_a_broken_link_leaves_doubt(client, service):
    service.script("SendMessage", *[BROKEN] * 4)
    with pytest.raises(Unavailable) as refusal:
        client.send(**MAIL, request_id="mine")

    assert not refusal.value.nothing_sent
    assert refusal.value.request_id == "mine"


def test_a_call_that_changes_nothing_needs_no_advice(client, service):
    service.script("GetDelivery", *[BROKEN] * 4)
    with pytest.raises(Unavailable) as refusal:
        client.get(request_id="mine")

    assert "request_id" not in str(refusal.value)


def test_time_runs_out_with_an_error_that_is_a_timeout(client, service):
    service.script("SendMessage", service.hang)
    with pytest.raises(TimeoutError) as refusal:
        client.send(**MAIL, timeout=0.2)

    assert isinstance(refusal.value, DeadlineExceeded)
    assert not refusal.value.nothing_sent


def test_closing_ends_a_wait_between_attempts(service):
    waiting = threading.Event()
    late = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="DRAINING", retry_after=60)
    service.script("SendMessage", late)
    client = Client(service.target)
    pause = client._calls.pause

    def told(delay):
        waiting.set()
        return pause(delay)

    client._calls.pause = told
    closing = threading.Thread(target=lambda: (waiting.wait(10), client.close()))
    closing.start()
    with pytest.raises(Overloaded):
        client.send(**MAIL)
    closing.join()

    assert len(service.requests) == 1


def test_closing_ends_a_call_under_way_and_leaves_doubt(service):
    service.script("SendMessage", service.hang)
    client = Client(service.target)
    closing = threading.Thread(target=lambda: (service.asked.wait(10), client.close()))
    closing.start()
    with pytest.raises(PostroomError) as refusal:
        client.send(**MAIL, request_id="mine")
    closing.join()

    assert refusal.value.code == "CANCELLED"
    assert "request_id='mine'" in str(refusal.value)


def test_an_attempt_is_logged_without_a_word_of_the_mail(client, service, caplog):
    service.script("SendMessage", BUSY, sent())
    with caplog.at_level(logging.DEBUG, logger="postroom"):
        client.send(**MAIL)

    assert "again in" in caplog.text
    assert "ada@" not in caplog.text
    assert "Hello" not in caplog.text
