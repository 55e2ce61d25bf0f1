"""A recipient that may have the mail, until something tells."""

from __future__ import annotations

import pytest
from postroom_server.domain.attempt import Attempt, AttemptOutcome
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.transitions import (
    Fate,
    begin_attempt,
    finish_attempt,
    settle_open,
)

from tests.support.deliveries import NOW, under_way

ADA = "ada@example.com"


def ended(delivery, fate, outcome=AttemptOutcome.TEMP_FAILED):
    attempt = Attempt(
        number=delivery.attempts_made,
        relay="relays/main",
        started_at=NOW,
        ended_at=NOW,
        outcome=outcome,
    )
    due_at = NOW if fate.status.is_open else None
    return finish_attempt(delivery, attempt, {ADA: fate}, due_at).after


@pytest.fixture
def doubtful():
    """To be sent again, since it may not have arrived."""
    fate = Fate(status=R.DEFERRED, in_doubt=True)
    return ended(under_way(), fate, AttemptOutcome.UNCERTAIN)


@pytest.mark.parametrize("status", [R.TEMP_FAILED, R.EXPIRED, R.CANCELLED])
def test_what_is_not_sent_again_stays_uncertain(doubtful, status):
    after = settle_open(doubtful, Fate(status=status), NOW).after

    assert after.recipients[0].status is R.UNCERTAIN
    assert not after.is_retryable


def test_a_temporary_failure_in_between_does_not_end_the_doubt(doubtful):
    put_off = ended(begin_attempt(doubtful, NOW).after, Fate(status=R.DEFERRED))

    after = settle_open(put_off, Fate(status=R.EXPIRED), NOW).after

    assert after.recipients[0].status is R.UNCERTAIN


@pytest.mark.parametrize("status", [R.DELIVERED, R.REFUSED, R.FAILED])
def test_the_relays_word_on_the_repetition_ends_the_doubt(doubtful, status):
    after = ended(begin_attempt(doubtful, NOW).after, Fate(status=status))

    assert after.recipients[0].status is status
    assert not after.recipients[0].in_doubt


def test_mail_that_was_surely_not_sent_expires():
    put_off = ended(under_way(), Fate(status=R.DEFERRED))

    after = settle_open(put_off, Fate(status=R.EXPIRED), NOW).after

    assert after.recipients[0].status is R.EXPIRED
