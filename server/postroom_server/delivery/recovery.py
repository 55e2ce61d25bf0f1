"""What a process finds when it starts: attempts that died with the one before.

The marks tell on which side of its end of data an attempt was.  Not marked: nothing
was sent, and it cost nothing (LOST).  Marked, or the marks can't be read: the relay may
have it (UNCERTAIN).  A relayed send has lost its caller and is not sent later; its
request id resumes it.  After `CRASHES` in a row a delivery is set aside, so that one
mail can't keep us from all others.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from postroom_server.delivery.decision import sends_again
from postroom_server.delivery.schedule import UNCERTAIN_DELAY
from postroom_server.domain.attempt import Attempt, AttemptOutcome, FailureReason, Phase
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import (
    Change,
    Fate,
    finish_attempt,
    settle_open,
)
from postroom_server.outbox.store import Outbox

CRASHES = 3
"""Attempts in a row that died with a process, until a delivery is set aside."""

_log = structlog.get_logger(__name__)

_NOT_SENT = "the service ended before the mail was sent"
_MAY_HAVE_IT = "the service ended after the end of data, before the relay's answer"


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many attempts were lost, left uncertain, and relayed sends given up."""

    lost: int = 0
    uncertain: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Company:
    """What other processes want of what is taken over.

    *is_awaited*: whether callers wait for a delivery; *went_on* is told of those that
    go on, which may have been taken back.
    """

    is_awaited: Callable[[Delivery], bool] = lambda _: False
    went_on: Callable[[Delivery], bool] = lambda _: False


NOBODY = Company()


def recover(
    outbox: Outbox,
    is_marked: Callable[[Delivery], bool],
    now: Instant,
    company: Company = NOBODY,
) -> Recovered:
    """Settle or put back whatever the process before left under way."""
    unsent, doubtful = take_over(outbox, is_marked, now, company)
    ended = 0
    for delivery in outbox.waiting(Completion.RELAYED):
        outbox.save(settle_open(delivery, given_up(_NOT_SENT), now))
        ended += 1
    found = Recovered(unsent, doubtful, ended)
    if unsent or doubtful or ended:
        _log.warning(
            "delivery.recovered", lost=unsent, uncertain=doubtful, given_up=ended
        )
    return found


def take_over(
    outbox: Outbox,
    is_marked: Callable[[Delivery], bool],
    now: Instant,
    company: Company = NOBODY,
) -> tuple[int, int]:
    """Settle what a process left under way that is gone; how many lost, uncertain."""
    unsent = doubtful = 0
    for delivery in outbox.leased():
        marked = delivery.data_marked or is_marked(delivery)
        change = (
            _after_end(delivery, now)
            if marked
            else lost(delivery, now, company.is_awaited)
        )
        if outbox.save(change) and change.after.due_at is not None:
            company.went_on(change.after)
        doubtful += marked
        unsent += not marked
    return unsent, doubtful


def lost(
    delivery: Delivery,
    now: Instant,
    is_awaited: Callable[[Delivery], bool] = NOBODY.is_awaited,
) -> Change:
    """The attempt under way came to nothing before its end of data."""
    attempt = _attempt(delivery, AttemptOutcome.LOST, now)
    if delivery.crashes + 1 >= CRASHES:
        return _finish(delivery, attempt, _crash_loop(delivery))
    relayed = delivery.plan.completion is Completion.RELAYED
    if relayed and not is_awaited(delivery):
        return _finish(delivery, attempt, given_up(_NOT_SENT))
    return finish_attempt(delivery, attempt, {}, now, crashed=True)


def uncertain(delivery: Delivery, fate: Fate, now: Instant) -> Change:
    """The attempt under way is past its end of data; open recipients meet *fate*."""
    return _finish(delivery, _attempt(delivery, AttemptOutcome.UNCERTAIN, now), fate)


def _after_end(delivery: Delivery, now: Instant) -> Change:
    attempt = _attempt(delivery, AttemptOutcome.UNCERTAIN, now)
    due_at = after(now, UNCERTAIN_DELAY)
    relayed = delivery.plan.completion is Completion.RELAYED
    again = not relayed and sends_again(delivery, due_at)
    fate = Fate(
        status=RecipientStatus.DEFERRED if again else RecipientStatus.UNCERTAIN,
        reason=FailureReason.INTERNAL,
        detail=_MAY_HAVE_IT,
        in_doubt=again,
    )
    return _finish(delivery, attempt, fate, due_at if again else None)


def _finish(
    delivery: Delivery, attempt: Attempt, fate: Fate, due_at: Instant | None = None
) -> Change:
    fates = {r.wire: fate for r in delivery.open_recipients}
    return finish_attempt(delivery, attempt, fates, due_at, crashed=True)


def _attempt(delivery: Delivery, outcome: AttemptOutcome, now: Instant) -> Attempt:
    uncertain = outcome is AttemptOutcome.UNCERTAIN
    return Attempt(
        number=delivery.attempts_made,
        relay=delivery.relay_name,
        started_at=delivery.leased_at or now,
        ended_at=now,
        outcome=outcome,
        phase=Phase.END_OF_DATA if uncertain else Phase.UNSPECIFIED,
        reason=FailureReason.INTERNAL,
        detail=_MAY_HAVE_IT if uncertain else _NOT_SENT,
    )


def given_up(detail: str) -> Fate:
    """What a relayed send meets that nobody waits for any more."""
    return Fate(
        status=RecipientStatus.TEMP_FAILED,
        reason=FailureReason.INTERNAL,
        detail=detail,
    )


def _crash_loop(delivery: Delivery) -> Fate:
    incident = uuid.uuid4().hex
    _log.error("delivery.crash_loop", delivery=delivery.id, incident=incident)
    return Fate(
        status=RecipientStatus.FAILED,
        reason=FailureReason.INTERNAL,
        detail=f"the service ended {CRASHES} times while it was being sent, "
        f"incident {incident}",
    )
