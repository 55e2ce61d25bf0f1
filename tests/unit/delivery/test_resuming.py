"""The end of a hold: what is in question is settled, and the rest goes on."""

from __future__ import annotations

import pytest
from postroom_server.delivery.resuming import Assume, Question, in_question, resume
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus, RecipientStatus
from postroom_server.domain.hold import Hold
from postroom_server.domain.submission import Completion
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.memory.store import MemoryOutbox
from postroom_server.outbox.store import DeliveryQuery

from tests.support.builders import NOW, SECOND, a_finish, a_plan
from tests.support.clocks import FakeClock
from tests.support.outboxes import accept, claim

OPENED = Instant(NOW + 60 * SECOND)
LATER = Instant(OPENED + 3600 * SECOND)
QUESTION = Question(accepted_before=OPENED, due_by=OPENED)


@pytest.fixture
def outbox():
    """A store on hold, with mail of before and of after it was opened."""
    outbox = MemoryOutbox(MemoryState(), FakeClock(LATER))
    relayed = a_plan(completion=Completion.RELAYED)
    accept(outbox, tags=("waiting",))
    accept(outbox, tags=("relayed",), plan=relayed)
    accept(outbox, tags=("sending",), leased=True)
    accept(outbox, tags=("scheduled",), due_at=LATER)
    accept(outbox, tags=("new",), accepted_at=OPENED, due_at=OPENED)
    assert outbox.save(a_finish(accept(outbox, tags=("done",), leased=True)))
    outbox.hold.begin(Hold("restored", OPENED))
    return outbox


def statuses(outbox) -> dict[str, str]:
    query = DeliveryQuery(tenant="default")
    return {d.tags[0]: d.status.name for d in outbox.list(query)}


UNTOUCHED = {"scheduled": "QUEUED", "new": "QUEUED", "done": "SUCCESS"}


@pytest.mark.parametrize(
    ("assume", "expected", "changed"),
    [
        (
            Assume.DELIVERED,
            {"waiting": "SUCCESS", "relayed": "SUCCESS", "sending": "SUCCESS"},
            3,
        ),
        (
            Assume.UNCERTAIN,
            {"waiting": "UNCERTAIN", "relayed": "UNCERTAIN", "sending": "UNCERTAIN"},
            3,
        ),
        (
            Assume.QUEUED,
            {"waiting": "QUEUED", "relayed": "TEMP_FAILED", "sending": "QUEUED"},
            2,
        ),
    ],
)
def test_what_is_in_question_is_taken_for_what_was_said(
    outbox, assume, expected, changed
):
    assert resume(outbox, QUESTION, assume, LATER) == changed
    assert statuses(outbox) == UNTOUCHED | expected


def test_what_is_in_question_can_be_counted_before(outbox):
    assert in_question(outbox, QUESTION) == 3
    assert outbox.hold.now() is not None


@pytest.mark.parametrize("assume", Assume)
def test_it_ends_the_hold(outbox, assume):
    resume(outbox, QUESTION, assume, LATER)

    assert outbox.hold.now() is None
    assert {"scheduled", "new"} <= {d.tags[0] for d in claim(outbox, LATER)}


def test_a_time_says_what_is_in_question(outbox):
    resume(outbox, Question(Instant(NOW), OPENED), Assume.UNCERTAIN, LATER)

    assert statuses(outbox)["waiting"] == "QUEUED"


def test_an_attempt_that_was_under_way_is_recorded_as_uncertain(outbox):
    resume(outbox, QUESTION, Assume.DELIVERED, LATER)
    (sending,) = outbox.list(DeliveryQuery(tenant="default", tag="sending"))
    (attempt,) = sending.attempts

    assert attempt.outcome.name == "UNCERTAIN"
    assert sending.recipients[0].status is RecipientStatus.DELIVERED
    assert "taken for delivered" in sending.recipients[0].detail


def test_more_than_one_page_is_settled(outbox, monkeypatch):
    monkeypatch.setattr("postroom_server.delivery.resuming.PAGE", 2)
    for _ in range(5):
        accept(outbox, tags=("many",))

    assert resume(outbox, QUESTION, Assume.UNCERTAIN, LATER) == 8
    assert outbox.depth(LATER).due == len(["scheduled", "new"])


def test_a_run_that_was_broken_off_is_made_again(outbox):
    waiting = outbox.live(OPENED, None, 1)
    question = Question(Instant(waiting[0].accepted_at + 1), OPENED)
    resume(outbox, question, Assume.UNCERTAIN, LATER)
    outbox.hold.begin(Hold("restored", OPENED))
    resume(outbox, QUESTION, Assume.UNCERTAIN, LATER)

    uncertain = outbox.list(
        DeliveryQuery(tenant="default", statuses=frozenset({DeliveryStatus.UNCERTAIN}))
    )
    assert len(uncertain) == 3
