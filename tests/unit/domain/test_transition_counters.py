"""What each step of a delivery adds to the counters."""

from __future__ import annotations

import pytest
from postroom_server.domain.attempt import Attempt, AttemptOutcome
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import NOTHING, Counters
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.transitions import (
    Fate,
    accepted_and_begun,
    begin_attempt,
    finish_attempt,
    hurry,
    newly_accepted,
    settle_open,
)

from tests.support.deliveries import HOUR, NOW, a_delivery, under_way

ADA, BOB = "ada@example.com", "bob@example.com"
LATER = Instant(NOW + HOUR)
SIZE = 1234


def finished(outcome, *became):
    """What the first attempt adds that ended so for ada and, if need be, bob."""
    attempt = Attempt(
        number=1, relay="main", started_at=NOW, ended_at=LATER, outcome=outcome
    )
    delivery = under_way(*[R.PENDING] * len(became), size_bytes=SIZE)
    fates = {
        wire: Fate(status=status)
        for wire, status in zip((ADA, BOB), became, strict=False)
    }
    due_at = LATER if R.DEFERRED in became else None
    return finish_attempt(delivery, attempt, fates, due_at).counters


def test_accepting_counts_one():
    assert newly_accepted(a_delivery()).counters == Counters(accepted=1)


def test_accepting_and_beginning_counts_both():
    both = Counters(accepted=1, attempts=1)

    assert accepted_and_begun(a_delivery()).counters == both


@pytest.mark.parametrize(("made", "retries"), [(0, 0), (1, 1), (7, 1)])
def test_an_attempt_is_a_retry_if_it_is_not_the_first(made, retries):
    change = begin_attempt(a_delivery(attempts_made=made), NOW)

    assert change.counters == Counters(attempts=1, retries=retries)


@pytest.mark.parametrize(
    ("outcome", "became", "counters"),
    [
        (
            AttemptOutcome.ACCEPTED,
            (R.DELIVERED, R.DELIVERED),
            Counters(
                succeeded=1,
                transactions_accepted=1,
                recipients_delivered=2,
                bytes_sent=SIZE,
            ),
        ),
        (
            AttemptOutcome.ACCEPTED,
            (R.DELIVERED, R.REFUSED),
            Counters(
                partial=1,
                transactions_accepted=1,
                recipients_delivered=1,
                recipients_refused=1,
                bytes_sent=SIZE,
            ),
        ),
        (
            AttemptOutcome.ACCEPTED,
            (R.DELIVERED, R.DEFERRED),
            Counters(transactions_accepted=1, recipients_delivered=1, bytes_sent=SIZE),
        ),
        (
            AttemptOutcome.TEMP_FAILED,
            (R.TEMP_FAILED,),
            Counters(temp_failed=1, temporary_failures=1),
        ),
        (AttemptOutcome.TEMP_FAILED, (R.DEFERRED,), Counters(temporary_failures=1)),
        (
            AttemptOutcome.FAILED,
            (R.REFUSED,),
            Counters(rejected=1, recipients_refused=1),
        ),
        (AttemptOutcome.FAILED, (R.FAILED,), Counters(failed=1)),
        (AttemptOutcome.UNCERTAIN, (R.UNCERTAIN,), Counters(uncertain=1)),
    ],
)
def test_an_attempt_that_ended_counts_what_became_of_the_mail(
    outcome, became, counters
):
    assert finished(outcome, *became) == counters


@pytest.mark.parametrize(
    ("status", "counters"),
    [(R.EXPIRED, Counters(expired=1)), (R.CANCELLED, Counters(cancelled=1))],
)
def test_mail_that_ends_without_an_attempt_counts_how(status, counters):
    change = settle_open(a_delivery(), Fate(status=status), NOW)

    assert change.counters == counters


def test_a_recipient_that_had_the_mail_before_is_not_counted_again():
    delivery = under_way(R.DELIVERED, R.PENDING)
    attempt = Attempt(
        number=1,
        relay="main",
        started_at=NOW,
        ended_at=LATER,
        outcome=AttemptOutcome.FAILED,
    )

    change = finish_attempt(delivery, attempt, {BOB: Fate(status=R.REFUSED)}, None)

    assert change.counters == Counters(partial=1, recipients_refused=1)


def test_what_only_hurries_counts_nothing():
    assert hurry(a_delivery(), NOW).counters == NOTHING
