from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.delivery.recovery import recover
from postroom_server.domain.clock import after
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.submission import Completion, OnUncertain

from tests.support.deliveries import NOW, a_delivery, a_plan, under_way


class Left:
    """What a process left in its store."""

    def __init__(self, *, leased=(), waiting=()):
        self._leased, self._waiting = leased, waiting
        self.saved = []

    def leased(self):
        return self._leased

    def waiting(self, completion):
        return [d for d in self._waiting if d.plan.completion is completion]

    def save(self, change):
        self.saved.append(change.after)
        return True


def recovered(delivery, *, marked):
    left = Left(leased=[delivery])
    recover(left, lambda _: marked, NOW)
    (saved,) = left.saved
    return saved


@pytest.mark.parametrize(
    ("completion", "marked", "status"),
    [
        (Completion.RELAYED, False, D.TEMP_FAILED),
        (Completion.RELAYED, True, D.UNCERTAIN),
        (Completion.ACCEPTED, False, D.QUEUED),
        (Completion.ACCEPTED, True, D.RETRY),
        (Completion.RELAYED_OR_QUEUED, False, D.QUEUED),
        (Completion.RELAYED_OR_QUEUED, True, D.RETRY),
    ],
)
def test_what_was_under_way_goes_on_or_ends(completion, marked, status):
    saved = recovered(under_way(plan=a_plan(completion)), marked=marked)

    assert saved.status is status
    assert saved.tries == int(marked), "an attempt that was lost costs nothing"


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": a_plan(Completion.ACCEPTED, OnUncertain.HOLD)},
        {"plan": a_plan(Completion.ACCEPTED, disabled=True)},
        {"plan": a_plan(Completion.ACCEPTED, max_attempts=1)},
        {"plan": a_plan(Completion.ACCEPTED), "uncertain_retries": 1},
        {"plan": a_plan(Completion.ACCEPTED), "expire_at": after(NOW, 60)},
    ],
    ids=["hold", "no retries", "no try left", "once already", "no time left"],
)
def test_what_may_have_arrived_is_not_sent_again_where_it_must_not(fields):
    assert recovered(under_way(**fields), marked=True).status is D.UNCERTAIN


def test_a_mail_that_killed_three_processes_is_set_aside():
    saved = recovered(
        under_way(plan=a_plan(Completion.ACCEPTED), crashes=2), marked=False
    )

    assert saved.status is D.FAILED


@pytest.mark.parametrize(
    ("in_doubt", "status"), [(False, D.TEMP_FAILED), (True, D.UNCERTAIN)]
)
def test_a_relayed_send_that_waited_is_given_up_and_not_said_to_be_unsent(
    in_doubt, status
):
    delivery = a_delivery(R.DEFERRED)
    recipients = (replace(delivery.recipients[0], in_doubt=in_doubt),)
    left = Left(waiting=[replace(delivery, recipients=recipients)])

    recover(left, lambda _: False, NOW)

    assert left.saved[0].status is status
