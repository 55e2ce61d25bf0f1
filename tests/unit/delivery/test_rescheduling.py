"""What moving a delivery makes of it."""

from __future__ import annotations

import pytest
from postroom_server.delivery.rescheduling import RescheduleRequest, rescheduled
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.errors import TooLate
from postroom_server.domain.events import EventKind
from postroom_server.domain.limits import Limits
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import begin_attempt

from tests.support.builders import (
    DAY,
    NOW,
    SECOND,
    a_deferral,
    a_delivery,
    a_finish,
    a_plan,
)

TOMORROW = Instant(NOW + DAY)


def moved(delivery, **fields):
    request = RescheduleRequest(tenant="default", delivery_id=delivery.id, **fields)
    return rescheduled(delivery, request, NOW, Limits())


def leased():
    return begin_attempt(a_delivery(), NOW).after


def deferred(due_at, **fields):
    begun = begin_attempt(a_delivery(**fields), NOW).after
    return a_deferral(begun, due_at).after


def test_what_waits_goes_at_the_new_time():
    change = moved(a_delivery(), send_at=TOMORROW)

    assert change.after.due_at == TOMORROW
    assert change.after.send_at == TOMORROW
    assert change.after.version == change.before.version + 1
    assert change.after.status is DeliveryStatus.QUEUED


@pytest.mark.parametrize("send_at", [None, Instant(0), Instant(NOW - 1)])
def test_no_time_and_a_time_in_the_past_mean_now(send_at):
    scheduled = a_delivery(send_at=TOMORROW, due_at=TOMORROW)

    assert moved(scheduled, send_at=send_at).after.due_at == NOW


def test_the_expiry_keeps_its_distance_from_the_time_moved():
    expire_at = Instant(TOMORROW + 3 * DAY)
    scheduled = a_delivery(send_at=TOMORROW, due_at=TOMORROW, expire_at=expire_at)

    assert moved(scheduled).after.expire_at == NOW + 3 * DAY
    later = Instant(NOW + 10 * DAY)
    assert moved(scheduled, send_at=later).after.expire_at == later + 3 * DAY


def test_a_new_expiry_is_taken_as_it_is():
    change = moved(a_delivery(), expire_at=TOMORROW)

    assert change.after.expire_at == TOMORROW


def test_a_retry_is_moved_and_stays_one():
    change = moved(deferred(TOMORROW, expire_at=Instant(NOW + 2 * DAY)))

    assert change.after.status is DeliveryStatus.RETRY
    assert (change.after.due_at, change.after.send_at) == (NOW, None)
    assert change.after.expire_at == NOW + DAY


def test_what_waited_for_its_end_alone_is_tried_when_it_is_moved_to_now():
    last = Instant(NOW + 60 * SECOND)

    assert moved(deferred(last, expire_at=last)).after.expire_at == NOW + DAY


@pytest.mark.parametrize("delivery", [leased(), a_finish(leased()).after])
def test_what_is_under_way_or_over_is_not_moved(delivery):
    with pytest.raises(TooLate, match=delivery.status.name):
        moved(delivery)


def test_what_a_caller_waits_for_is_queued_when_it_goes_later():
    waited_for = a_delivery(plan=a_plan(completion=Completion.RELAYED))

    later, now = moved(waited_for, send_at=TOMORROW), moved(waited_for)
    assert later.after.plan.completion is Completion.ACCEPTED
    assert now.after.plan.completion is Completion.RELAYED


def test_moving_is_an_event_that_tells_the_new_time():
    (event,) = moved(a_delivery(), send_at=TOMORROW).events

    assert (event.kind, event.next_attempt_at) == (EventKind.SCHEDULED, TOMORROW)
