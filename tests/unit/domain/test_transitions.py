from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.attempt import Attempt, AttemptOutcome
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.events import EventKind as E
from postroom_server.domain.transitions import (
    ATTEMPTS_KEPT,
    Fate,
    begin_attempt,
    finish_attempt,
    reopen,
    settle_open,
)

from tests.support.deliveries import HOUR, NOW, a_delivery, under_way

ADA, BOB = "ada@example.com", "bob@example.com"
LATER = Instant(NOW + HOUR)


def ended(number=1, outcome=AttemptOutcome.ACCEPTED):
    return Attempt(
        number=number,
        relay="relays/main",
        started_at=NOW,
        ended_at=LATER,
        outcome=outcome,
    )


def test_an_attempt_under_way_makes_the_delivery_sending():
    change = begin_attempt(a_delivery(), NOW)

    assert change.after.status is D.SENDING
    assert change.after.version == change.before.version + 1
    assert [e.kind for e in change.events] == [E.ATTEMPT_STARTED]


def test_the_accepted_recipient_settles_and_the_deferred_one_stays_open():
    delivery = under_way(R.PENDING, R.PENDING)
    fates = {ADA: Fate(status=R.DELIVERED), BOB: Fate(status=R.DEFERRED)}

    after = finish_attempt(delivery, ended(), fates, LATER).after

    assert after.status is D.RETRY
    assert after.due_at == LATER
    assert after.sent_at == LATER
    assert after.settled_at is None


def test_the_last_event_of_a_settled_delivery_says_so():
    change = finish_attempt(under_way(), ended(), {ADA: Fate(status=R.DELIVERED)}, None)

    assert [e.kind for e in change.events] == [E.DELIVERED, E.SETTLED]
    assert change.after.settled_at == LATER


@pytest.mark.parametrize(
    ("status", "due_at"), [(R.DELIVERED, LATER), (R.DEFERRED, None)]
)
def test_a_due_time_that_does_not_fit_the_recipients_is_a_bug(status, due_at):
    with pytest.raises(ValueError, match="due_at"):
        finish_attempt(under_way(), ended(), {ADA: Fate(status=status)}, due_at)


def test_a_lost_attempt_costs_no_try_and_counts_as_a_crash():
    delivery = under_way()

    after = finish_attempt(
        delivery, ended(outcome=AttemptOutcome.LOST), {}, NOW, crashed=True
    ).after

    assert (after.tries, after.attempts_made, after.crashes) == (0, 1, 1)
    assert after.status is D.QUEUED


def test_an_attempt_that_ends_by_itself_forgets_earlier_crashes():
    delivery = replace(under_way(), crashes=2)

    after = finish_attempt(
        delivery, ended(), {ADA: Fate(status=R.DELIVERED)}, None
    ).after

    assert after.crashes == 0


def test_sending_again_after_an_uncertain_attempt_may_be_a_duplicate():
    first = finish_attempt(
        under_way(),
        ended(outcome=AttemptOutcome.UNCERTAIN),
        {ADA: Fate(status=R.DEFERRED)},
        NOW,
    ).after
    second = begin_attempt(first, NOW).after

    done = finish_attempt(second, ended(2), {ADA: Fate(status=R.DELIVERED)}, None).after

    assert not first.maybe_duplicate
    assert done.maybe_duplicate


def test_a_failure_after_an_uncertain_attempt_is_no_duplicate():
    first = finish_attempt(
        under_way(),
        ended(outcome=AttemptOutcome.UNCERTAIN),
        {ADA: Fate(status=R.DEFERRED)},
        NOW,
    ).after
    second = begin_attempt(first, NOW).after

    done = finish_attempt(
        second, ended(2, AttemptOutcome.FAILED), {ADA: Fate(status=R.REFUSED)}, None
    ).after

    assert not done.maybe_duplicate


def test_the_first_and_the_last_attempts_are_kept():
    delivery = a_delivery()
    for number in range(1, 40):
        begun = begin_attempt(delivery, NOW).after
        delivery = finish_attempt(
            begun,
            ended(number, AttemptOutcome.TEMP_FAILED),
            {ADA: Fate(status=R.DEFERRED)},
            NOW,
        ).after

    numbers = [a.number for a in delivery.attempts]
    assert numbers == [1, *range(40 - ATTEMPTS_KEPT, 40)]


@given(st.lists(st.sampled_from([r for r in R if r]), min_size=1, max_size=5))
def test_what_has_settled_is_never_touched(statuses):
    delivery = a_delivery(*statuses)

    after = settle_open(delivery, Fate(status=R.CANCELLED), LATER).after

    for old, new in zip(delivery.recipients, after.recipients, strict=True):
        assert new.status is (R.CANCELLED if old.status.is_open else old.status)


def test_counts_of_reopened_and_ended_deliveries_add_up():
    """accepted + reopened = the sum of those that ended + those not final."""
    first = settle_open(a_delivery(), Fate(status=R.TEMP_FAILED), NOW)
    again = reopen(
        first.after, first.after, {ADA: Fate(status=R.PENDING)}, (LATER, LATER)
    )
    begun = begin_attempt(again.after, LATER)
    last = finish_attempt(begun.after, ended(), {ADA: Fate(status=R.DELIVERED)}, None)

    total = sum((c.counters for c in (first, again, begun, last)), Counters(accepted=1))
    assert total.accepted + total.reopened == total.ended
    assert (total.temp_failed, total.succeeded) == (1, 1)


def test_reopening_begins_a_new_round_of_tries():
    settled = replace(
        a_delivery(R.TEMP_FAILED), tries=4, uncertain_retries=1, attempts_made=4
    )

    after = reopen(
        settled, settled, {ADA: Fate(status=R.PENDING)}, (LATER, LATER)
    ).after

    assert (after.tries, after.uncertain_retries, after.attempts_made) == (0, 0, 4)
    assert after.status is D.QUEUED


def test_only_of_a_recipient_that_stays_open_is_the_next_attempt_told():
    fates = {ADA: Fate(status=R.DELIVERED), BOB: Fate(status=R.DEFERRED)}

    change = finish_attempt(under_way(R.PENDING, R.PENDING), ended(), fates, LATER)

    told = {event.kind: event.next_attempt_at for event in change.events}
    assert told == {E.DELIVERED: None, E.DEFERRED: LATER}
