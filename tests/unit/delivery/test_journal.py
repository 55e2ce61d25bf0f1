"""The log tells the way of every delivery by its ids and codes."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
import structlog
from postroom_server.delivery import journal
from postroom_server.domain.attempt import Attempt, AttemptOutcome, FailureReason, Phase
from postroom_server.domain.clock import after
from postroom_server.domain.delivery import RecipientStatus
from postroom_server.domain.reply import Reply
from postroom_server.domain.transitions import (
    Fate,
    begin_attempt,
    finish_attempt,
    mark_data,
    newly_accepted,
    settle_open,
)

from tests.support.deliveries import NOW, a_delivery, under_way

IDENTITY = {
    "delivery": "0" * 32,
    "relay": "main",
    "tenant": "default",
    "request_id": "mine",
}


def told(change):
    with structlog.testing.capture_logs() as logs:
        journal.tell(change)
    return logs


def put_off():
    delivery = under_way(request_id="mine")
    reply = Reply(451, "4.7.1", ("come back ada@example.com",), Phase.RCPT)
    attempt = Attempt(
        number=1,
        relay="relays/main",
        started_at=NOW,
        ended_at=after(NOW, 0.25),
        outcome=AttemptOutcome.TEMP_FAILED,
        phase=Phase.RCPT,
        reason=FailureReason.RATE,
        reply=reply,
        recipients_deferred=1,
    )
    fate = Fate(status=RecipientStatus.DEFERRED, reply=reply)
    fates = {delivery.recipients[0].wire: fate}
    return finish_attempt(delivery, attempt, fates, after(NOW, 60.25))


def test_an_accepted_mail_is_an_event_that_names_it():
    (event,) = told(newly_accepted(a_delivery(request_id="mine", size_bytes=420)))

    assert event == IDENTITY | {
        "event": "delivery.accepted",
        "log_level": "info",
        "message_id": "<1@example.com>",
        "recipients": 1,
        "size_bytes": 420,
    }


def test_an_attempt_is_an_event_with_the_codes_of_its_reply():
    (event,) = told(put_off())

    assert event == IDENTITY | {
        "event": "delivery.attempted",
        "log_level": "info",
        "attempt": 1,
        "outcome": AttemptOutcome.TEMP_FAILED,
        "status": 3,
        "phase": Phase.RCPT,
        "reason": FailureReason.RATE,
        "code": 451,
        "enhanced_code": "4.7.1",
        "seconds": 0.25,
        "deferred": 1,
        "next_in": 60.0,
    }


def test_an_end_without_an_attempt_is_an_event():
    fate = Fate(status=RecipientStatus.CANCELLED)
    (event,) = told(settle_open(a_delivery(), fate, NOW))

    assert event["event"] == "delivery.ended"
    assert event["status"].name == "CANCELLED"


@pytest.mark.parametrize(
    "change",
    [begin_attempt(a_delivery(), NOW), mark_data(under_way())],
    ids=["an attempt begins", "its end of data comes"],
)
def test_steps_on_the_way_are_none(change):
    assert told(change) == []


def test_what_nobody_hears_is_not_put_into_words(monkeypatch):
    change = newly_accepted(a_delivery())
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)

    monkeypatch.setattr(journal, "_log", quiet(None, [], {}))
    monkeypatch.setattr(journal, "identity", None)

    assert told(change) == []


def test_names_are_known_before_threads_bind_them():
    code = (
        "import postroom_server.delivery.journal, structlog;"
        "print(*structlog.contextvars._CONTEXT_VARS)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = {name.removeprefix("structlog_") for name in printed.stdout.split()}

    assert names >= IDENTITY.keys()
