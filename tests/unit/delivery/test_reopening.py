from __future__ import annotations

import pytest
from postroom_server.delivery.reopening import RetryRequest, resumed, retried
from postroom_server.domain.clock import after
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.errors import ContentPurged, NotRetryable
from postroom_server.domain.limits import Limits
from postroom_server.domain.submission import Completion

from tests.support.deliveries import NOW, a_delivery, under_way

LATER = after(NOW, 60.0)
LIMITS = Limits()


def gone_on(delivery, **fields):
    request = RetryRequest(tenant="default", delivery_id=delivery.id, **fields)
    return retried(delivery, request, LATER, LIMITS)


@pytest.mark.parametrize(
    "status", [R.TEMP_FAILED, R.EXPIRED, R.FAILED, R.REFUSED, R.WITHHELD]
)
def test_what_did_not_get_it_is_sent_to_again_and_the_delivered_is_not(status):
    change = gone_on(a_delivery(R.DELIVERED, status))

    assert [r.status for r in change.after.recipients] == [R.DELIVERED, R.PENDING]
    assert change.after.due_at == LATER


@pytest.mark.parametrize("status", [R.DELIVERED, R.CANCELLED, R.PENDING, R.UNCERTAIN])
def test_what_there_is_nothing_to_do_about_is_refused(status):
    with pytest.raises(NotRetryable):
        gone_on(a_delivery(status))


def test_what_is_under_way_is_refused():
    with pytest.raises(NotRetryable):
        gone_on(under_way())


def test_an_uncertain_recipient_is_left_alone_beside_one_that_is_not():
    change = gone_on(a_delivery(R.UNCERTAIN, R.TEMP_FAILED))

    assert [r.status for r in change.after.recipients] == [R.UNCERTAIN, R.PENDING]


def test_only_those_named_are_sent_to_again():
    change = gone_on(
        a_delivery(R.TEMP_FAILED, R.TEMP_FAILED), recipients=("bob@example.com",)
    )

    assert [r.status for r in change.after.recipients] == [R.TEMP_FAILED, R.PENDING]


def test_a_new_round_of_tries_begins_with_the_time_and_completion_asked_for():
    change = gone_on(
        a_delivery(R.TEMP_FAILED, tries=4, crashes=2, uncertain_retries=1),
        completion=Completion.ACCEPTED,
    )

    fresh = change.after
    assert (fresh.tries, fresh.crashes, fresh.uncertain_retries) == (0, 0, 0)
    assert fresh.plan.completion is Completion.ACCEPTED
    assert fresh.expire_at == after(LATER, LIMITS.default_expiry)
    assert change.counters.reopened == 1


def test_what_waits_for_its_retry_goes_now_and_keeps_its_promise():
    waiting = a_delivery(R.DEFERRED, due_at=after(NOW, 3600.0))

    change = gone_on(waiting, completion=Completion.ACCEPTED)

    assert change.after.due_at == LATER
    assert change.after.plan == waiting.plan
    assert change.after.status is D.RETRY
    assert change.counters.reopened == 0


def test_purged_bytes_are_not_sent_again():
    with pytest.raises(ContentPurged):
        gone_on(a_delivery(R.TEMP_FAILED, content_purged=True))


@pytest.mark.parametrize(("expires_in", "expected"), [(30.0, 86_460.0), (90.0, 90.0)])
def test_a_request_that_is_repeated_gets_time_if_it_has_none(expires_in, expected):
    change = resumed(
        a_delivery(R.TEMP_FAILED, expire_at=after(NOW, expires_in)), LATER, LIMITS
    )

    assert change.after.expire_at == after(NOW, expected)


def test_a_request_that_is_repeated_goes_on_with_what_failed_for_now_alone():
    change = resumed(a_delivery(R.TEMP_FAILED, R.REFUSED, R.DELIVERED), LATER, LIMITS)

    assert [r.status for r in change.after.recipients] == [
        R.PENDING,
        R.REFUSED,
        R.DELIVERED,
    ]
