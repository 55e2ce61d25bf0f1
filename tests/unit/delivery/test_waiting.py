from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.delivery.control import AttemptControl, UnderWay
from postroom_server.delivery.waiting import Patience
from postroom_server.delivery.waits import News, WaitRoom
from postroom_server.domain.clock import after
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.errors import DeadlinePassed, Draining, NotReady
from postroom_server.domain.submission import Completion

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, a_delivery, a_plan, under_way

ID = "0" * 32


class OneDelivery:
    """A store of one delivery, which may be away."""

    def __init__(self, delivery):
        self.delivery = delivery
        self.away = False
        self.forgot_request = False

    def get(self, _tenant, _delivery_id):
        if self.away:
            raise NotReady("the store is away")
        return self.delivery

    def save(self, change, *, forget_request=False, patience=60.0):
        assert patience < 0.25, "the answer keeps a margin to its caller's deadline"
        if self.away:
            raise NotReady("the store is away")
        if change.before.version != self.delivery.version:
            return False
        self.delivery, self.forgot_request = change.after, forget_request
        return True


class Waiter:
    """A caller with a wait that ends at once, for *delivery* in a store of its own."""

    def __init__(self, delivery, limit=1000.0):
        self.clock = FakeClock(NOW)
        self.room = WaitRoom(8)
        self.outbox = OneDelivery(delivery)
        self.under_way = UnderWay()
        self.patience = Patience(self.outbox, self.room, self.under_way, self.clock)
        self.place = self.room.enter(ID, "main", limit)

    def answer(self, delivery=None):
        return self.patience.wait(self.place, delivery or self.outbox.delivery)


def test_at_the_limit_mail_that_was_not_begun_is_withdrawn():
    waiter = Waiter(a_delivery())

    with pytest.raises(DeadlinePassed):
        waiter.answer()

    assert waiter.outbox.delivery.status is D.CANCELLED
    assert waiter.outbox.forgot_request


def test_mail_that_was_gone_on_with_is_not_withdrawn_at_the_limit():
    waiter = Waiter(a_delivery(version=3))

    answer = waiter.answer()

    assert answer.status is D.TEMP_FAILED
    assert answer.is_retryable
    assert not waiter.outbox.forgot_request


def test_who_gives_up_tells_a_twin_that_came_meanwhile():
    waiter = Waiter(a_delivery(version=2))
    late = []
    stored = waiter.outbox.save

    def save(change, **fields):
        late.append(waiter.room.enter(ID, "main", 2000.0))
        return stored(change, **fields)

    waiter.outbox.save = save

    waiter.answer()

    assert late[0].answer().status is D.TEMP_FAILED
    assert late[0].woken.is_rung


def test_a_caller_that_leaves_does_not_end_the_wait_of_its_twin():
    waiter = Waiter(a_delivery(version=2), limit=5000.0)
    waiter.room.enter(ID, "main", 2000.0)
    waiter.place.leave()

    assert waiter.answer().status is D.QUEUED
    assert waiter.outbox.delivery.status is D.QUEUED


@pytest.mark.parametrize("fields", [{"version": 1}, {"version": 2}])
def test_a_store_that_is_away_makes_no_error_of_accepted_mail(fields):
    waiter = Waiter(a_delivery(**fields))
    waiter.outbox.away = True

    assert waiter.answer().status is D.QUEUED


def test_what_was_heard_last_is_told_when_the_store_is_away():
    waiter = Waiter(under_way())
    deferred = a_delivery(R.DEFERRED, version=3)
    waiter.room.post(News(deferred, answers_now=False))
    waiter.outbox.away = True

    assert waiter.answer() == deferred


def test_an_attempt_is_broken_off_also_when_the_store_is_away():
    waiter = Waiter(under_way())
    control = AttemptControl(limit=lambda: None, mark=lambda: True)
    waiter.under_way.begin(ID, control)
    waiter.outbox.away = True
    waiter.clock.advance(1.0)
    waiter.place.news = News(a_delivery(R.DEFERRED), answers_now=False)

    waiter.answer()

    assert not control.pass_end_of_data()


@pytest.mark.parametrize(
    "completion", [Completion.RELAYED, Completion.RELAYED_OR_QUEUED]
)
def test_a_caller_hears_at_once_that_waiting_mail_has_expired(completion):
    waiter = Waiter(
        a_delivery(expire_at=NOW, plan=a_plan(completion)), limit=1_000_000.0
    )

    answer = waiter.answer()

    assert answer.status is D.EXPIRED
    assert waiter.outbox.delivery.status is D.EXPIRED


def test_a_caller_hears_that_the_queue_found_its_mail_expired():
    queued = a_delivery(expire_at=NOW)
    settled = replace(a_delivery(R.EXPIRED), version=2)
    waiter = Waiter(settled, limit=1_000_000.0)

    assert waiter.answer(queued).status is D.EXPIRED


def test_a_twin_does_not_wait_for_what_comes_after_its_time():
    later = a_delivery(
        R.DEFERRED,
        due_at=after(NOW, 3600),
        plan=a_plan(Completion.RELAYED_OR_QUEUED),
    )
    waiter = Waiter(later, limit=1010.0)

    assert waiter.answer().status is D.RETRY


LONG = 1_000_000.0


def test_mail_that_was_not_begun_is_withdrawn_when_the_service_leaves():
    waiter = Waiter(a_delivery(), limit=LONG)
    waiter.room.close()

    with pytest.raises(Draining):
        waiter.answer()

    assert waiter.outbox.delivery.status is D.CANCELLED
    assert waiter.outbox.forgot_request


def test_who_waits_for_a_retry_is_answered_when_the_service_leaves():
    waiter = Waiter(a_delivery(R.DEFERRED, version=3), limit=LONG)
    waiter.room.close()

    answer = waiter.answer()

    assert answer.status is D.TEMP_FAILED
    assert answer.is_retryable


def test_mail_that_may_stay_queued_does_when_the_service_leaves():
    plan = a_plan(Completion.RELAYED_OR_QUEUED)
    waiter = Waiter(a_delivery(plan=plan), limit=LONG)
    waiter.room.close()

    assert waiter.answer().status is D.QUEUED
    assert waiter.outbox.delivery.status is D.QUEUED


def test_an_attempt_under_way_is_waited_for_though_the_service_leaves():
    waiter = Waiter(under_way(), limit=LONG)
    waiter.room.close()
    sent = a_delivery(R.DELIVERED, version=3)
    look = waiter.outbox.get

    def get(*name):
        waiter.room.post(News(sent, answers_now=True))
        return look(*name)

    waiter.outbox.get = get

    assert waiter.answer() == sent


def moved_to_later(delivery):
    """As RescheduleDelivery leaves what a caller waited for."""
    queued = a_plan(Completion.ACCEPTED)
    due_at = after(NOW, 3600.0)
    return replace(delivery, version=delivery.version + 1, plan=queued, due_at=due_at)


def test_mail_that_was_moved_to_later_meanwhile_is_not_given_up_at_the_limit():
    waited_for = a_delivery()
    waiter = Waiter(moved_to_later(waited_for))

    assert waiter.answer(waited_for).status is D.QUEUED
    assert waiter.outbox.delivery.status is D.QUEUED


def test_mail_that_was_moved_to_later_meanwhile_outlives_our_process():
    waited_for = a_delivery()
    waiter = Waiter(moved_to_later(waited_for), limit=2000.0)
    waiter.room.close()

    assert waiter.answer(waited_for).status is D.QUEUED
    assert waiter.outbox.delivery.status is D.QUEUED
