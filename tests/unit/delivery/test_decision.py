from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.delivery.decision import Situation, decide
from postroom_server.delivery.findings import Finding, Found
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import after, seconds_between
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.submission import Completion, OnUncertain

from tests.support.deliveries import NOW, a_plan, under_way

ADA, BOB = "ada@example.com", "bob@example.com"


def decided(found, completion, *, patience=90.0, tries=1, cancelled=False, **plan):
    """Status and delay that follow for one recipient."""
    delivery = replace(under_way(), plan=a_plan(completion, **plan), tries=tries)
    situation = Situation(NOW, patience, chance=lambda: 1.0, cancelled=cancelled)
    decision = decide(delivery, {ADA: Finding(found)}, situation)
    due = decision.due_at
    delay = None if due is None else seconds_between(NOW, due)
    return decision.fates[ADA].status, delay, decision.answers_now


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (Found.DELIVERED, R.DELIVERED),
        (Found.REFUSED, R.REFUSED),
        (Found.FAILED, R.FAILED),
        (Found.WITHHELD, R.WITHHELD),
    ],
)
@pytest.mark.parametrize(
    "completion",
    [Completion.RELAYED, Completion.ACCEPTED, Completion.RELAYED_OR_QUEUED],
)
def test_what_is_final_settles_whatever_was_asked(found, status, completion):
    assert decided(found, completion) == (status, None, True)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (Completion.RELAYED, (R.TEMP_FAILED, None, True)),
        # Until midnight, and up to a minute more; however often that was.
        (Completion.ACCEPTED, (R.DEFERRED, 6_400.0 + 60.0, True)),
        (Completion.RELAYED_OR_QUEUED, (R.DEFERRED, 6_400.0 + 60.0, True)),
    ],
)
def test_what_would_go_beyond_a_day_waits_for_the_next(completion, expected):
    assert decided(Found.OVER_QUOTA, completion, tries=99) == expected


@pytest.mark.parametrize(
    ("completion", "tries", "patience", "expected"),
    [
        # The caller waits and the next quick delay fits.
        (Completion.RELAYED, 1, 90.0, (R.DEFERRED, 1.0, False)),
        (Completion.RELAYED, 2, 90.0, (R.DEFERRED, 5.0, False)),
        (Completion.RELAYED, 3, 90.0, (R.DEFERRED, 30.0, False)),
        (Completion.RELAYED_OR_QUEUED, 2, 90.0, (R.DEFERRED, 5.0, False)),
        # It does not fit, the quick ones are used up, or nobody waits.
        (Completion.RELAYED, 2, 4.0, (R.TEMP_FAILED, None, True)),
        (Completion.RELAYED, 4, 90.0, (R.TEMP_FAILED, None, True)),
        (Completion.RELAYED, 1, None, (R.TEMP_FAILED, None, True)),
        (Completion.RELAYED_OR_QUEUED, 2, 4.0, (R.DEFERRED, 120.0, True)),
        (Completion.RELAYED_OR_QUEUED, 4, 90.0, (R.DEFERRED, 480.0, True)),
        (Completion.RELAYED_OR_QUEUED, 1, None, (R.DEFERRED, 60.0, True)),
        # Accepted mail has the long schedule alone.
        (Completion.ACCEPTED, 1, None, (R.DEFERRED, 60.0, True)),
        (Completion.ACCEPTED, 3, None, (R.DEFERRED, 240.0, True)),
    ],
)
def test_a_temporary_failure_is_retried_as_its_completion_says(
    completion, tries, patience, expected
):
    got = decided(Found.TEMPORARY, completion, tries=tries, patience=patience)

    assert got == expected


@pytest.mark.parametrize(
    "completion",
    [Completion.RELAYED, Completion.ACCEPTED, Completion.RELAYED_OR_QUEUED],
)
def test_without_retries_a_temporary_failure_is_the_end(completion):
    got = decided(Found.TEMPORARY, completion, disabled=True)

    assert got == (R.TEMP_FAILED, None, True)


@pytest.mark.parametrize(
    ("completion", "status", "delay"),
    [
        (Completion.RELAYED, R.FAILED, None),
        (Completion.RELAYED_OR_QUEUED, R.DEFERRED, 60.0),
        (Completion.ACCEPTED, R.DEFERRED, 60.0),
    ],
)
def test_refused_credentials_fail_a_relayed_send_and_queued_mail_waits(
    completion, status, delay
):
    assert decided(Found.RELAY_AT_FAULT, completion) == (status, delay, True)


@pytest.mark.parametrize(
    ("completion", "on_uncertain", "patience", "expected"),
    [
        (Completion.ACCEPTED, OnUncertain.RETRY, None, (R.DEFERRED, 300.0, True)),
        (
            Completion.RELAYED_OR_QUEUED,
            OnUncertain.RETRY,
            90.0,
            (R.DEFERRED, 300.0, True),
        ),
        (Completion.RELAYED, OnUncertain.RETRY, 90.0, (R.DEFERRED, 30.0, False)),
        (Completion.RELAYED, OnUncertain.RETRY, 20.0, (R.UNCERTAIN, None, True)),
        (Completion.RELAYED, OnUncertain.RETRY, None, (R.UNCERTAIN, None, True)),
        (Completion.ACCEPTED, OnUncertain.HOLD, None, (R.UNCERTAIN, None, True)),
        (Completion.RELAYED, OnUncertain.HOLD, 90.0, (R.UNCERTAIN, None, True)),
    ],
)
def test_an_uncertain_outcome_is_sent_again_or_held(
    completion, on_uncertain, patience, expected
):
    got = decided(
        Found.UNCERTAIN, completion, on_uncertain=on_uncertain, patience=patience
    )

    assert got == expected


def test_an_uncertain_outcome_is_sent_again_only_once():
    delivery = replace(
        under_way(), plan=a_plan(Completion.ACCEPTED), tries=2, uncertain_retries=1
    )
    situation = Situation(NOW, None, chance=lambda: 1.0)

    decision = decide(delivery, {ADA: Finding(Found.UNCERTAIN)}, situation)

    assert decision.fates[ADA].status is R.UNCERTAIN


@pytest.mark.parametrize(
    "found", [Found.TEMPORARY, Found.CALLED_OFF, Found.RELAY_AT_FAULT]
)
def test_nothing_follows_a_cancelled_delivery(found):
    got = decided(found, Completion.ACCEPTED, cancelled=True)

    assert got == (R.CANCELLED, None, True)


def test_cancelling_does_not_hide_an_uncertain_outcome():
    got = decided(Found.UNCERTAIN, Completion.ACCEPTED, cancelled=True)

    assert got == (R.UNCERTAIN, None, True)


def test_recipients_meet_their_own_fates_and_the_later_time_is_due():
    delivery = replace(
        under_way(R.PENDING, R.PENDING), plan=a_plan(Completion.ACCEPTED)
    )
    findings = {
        ADA: Finding(Found.UNCERTAIN),
        BOB: Finding(Found.TEMPORARY, FailureReason.RATE),
    }

    decision = decide(delivery, findings, Situation(NOW, None, chance=lambda: 1.0))

    assert decision.fates[BOB].reason is FailureReason.RATE
    assert seconds_between(NOW, decision.due_at) == 300.0


@pytest.mark.parametrize(
    ("delay", "status"), [(299.0, R.UNCERTAIN), (301.0, R.DEFERRED)]
)
def test_an_uncertain_outcome_whose_repetition_comes_too_late_stays_one(delay, status):
    delivery = replace(
        under_way(), plan=a_plan(Completion.ACCEPTED), expire_at=after(NOW, delay)
    )
    situation = Situation(NOW, None, chance=lambda: 1.0)

    decision = decide(delivery, {ADA: Finding(Found.UNCERTAIN)}, situation)

    assert decision.fates[ADA].status is status
    assert decision.fates[ADA].in_doubt == (status is R.DEFERRED)
