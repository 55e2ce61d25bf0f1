from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from postroom_server.delivery import worker as worker_module
from postroom_server.delivery.attempts import for_all
from postroom_server.delivery.control import UnderWay
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.leave import Leave
from postroom_server.delivery.waits import WaitRoom
from postroom_server.delivery.worker import Ports, Worker
from postroom_server.domain.attempt import AttemptOutcome, FailureReason, Phase
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.errors import NotReady
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import Completion, OnUncertain
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.store import Claimed

from tests.support.builders import a_content
from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, a_plan, under_way

QUEUED = Reply(250, "2.0.0", "queued", Phase.END_OF_DATA)
DELIVERED = Finding(Found.DELIVERED, reply=QUEUED)
PUT_OFF = Finding(Found.TEMPORARY, FailureReason.RATE, detail="later")


class Slots:
    """Marks that count themselves."""

    def __init__(self):
        self.used = set()

    def mark(self, _delivery_id, _version):
        self.used.add(1)
        return 1

    def clear(self, slot):
        self.used.remove(slot)


class Desk:
    """A worker whose relay answers *finding* to everything, and what it stored."""

    def __init__(self, finding, failures=(), **ports):
        self.failures = list(failures)
        self.lost = set()
        self.stale = False
        self.unheard = []
        self.stored = []
        self.scheduled = []
        self.room = WaitRoom(8)
        self.under_way = UnderWay()
        self.closing = threading.Event()
        self.over = 0
        self.crew = True
        self.passed_on = 0
        self.marks = Slots()
        watch = SimpleNamespace(refusal=lambda: finding)
        self.worker = Worker(
            Ports(
                outbox=self,
                marks=self.marks,
                relays={"main": SimpleNamespace(watch=watch)},
                waits=self.room,
                under_way=self.under_way,
                clock=FakeClock(NOW),
                closing=self.closing,
                scheduled=self.schedule,
                chance=lambda: -0.5,
                **{"observe": lambda *_: None, **ports},
            )
        )

    def schedule(self, delivery):
        if self.unheard:
            raise self.unheard.pop()
        self.scheduled.append(delivery)

    def holds(self, delivery):
        return delivery.id not in self.lost

    def save(self, change):
        if self.failures:
            raise self.failures.pop()
        if self.stale:
            return False
        self.stored.append(change)
        return True

    def begin_save(self, change, on_end):
        on_end(self.save(change))

    def recorded(self):
        self.over += 1

    def elsewhere(self, work):
        if self.crew:
            self.passed_on += 1
            work()
        return self.crew

    def attempt(self, delivery):
        self.worker.attempt(Claimed(delivery, a_content()), None, self)

    def deliver(self, completion=Completion.RELAYED, **plan):
        delivery = under_way(plan=a_plan(completion, **plan))
        wait = self.room.enter(delivery.id, "main", 1090.0)
        self.attempt(delivery)
        return wait


def test_an_outcome_is_stored_and_told():
    desk = Desk(DELIVERED)

    wait = desk.deliver()

    assert wait.answer().status is D.SUCCESS
    assert desk.stored[0].after.recipients[0].reply == QUEUED


def test_what_is_stored_at_once_is_told_by_who_stored_it():
    desk = Desk(DELIVERED)

    desk.deliver()

    assert (desk.passed_on, desk.over) == (0, 1)


def test_an_outcome_waits_for_a_store_that_is_away():
    desk = Desk(DELIVERED, [NotReady("away")] * 3)

    assert desk.deliver().answer().status is D.SUCCESS
    # Who commits must not wait for that.
    assert (desk.passed_on, desk.over) == (1, 1)


@pytest.mark.parametrize("is_fleet", [False, True])
def test_only_others_that_may_take_it_back_are_asked_by_another_thread(is_fleet):
    desk = Desk(PUT_OFF, is_fleet=is_fleet)

    desk.deliver()

    assert [one.status for one in desk.scheduled] == [D.RETRY]
    assert desk.passed_on == is_fleet


def test_an_outcome_for_which_there_is_no_thread_any_more_is_left(logged):
    desk = Desk(DELIVERED, [NotReady("away")])
    desk.crew = False

    desk.deliver()

    assert "delivery.not_recorded" in logged()
    assert (len(desk.under_way), desk.over) == (0, 1)


def test_an_outcome_whose_texts_the_store_refuses_is_stored_without_them():
    desk = Desk(DELIVERED, [RowRefused("a defect")])

    wait = desk.deliver()

    assert wait.answer().status is D.SUCCESS
    assert desk.stored[0].after.recipients[0].reply is None
    assert desk.stored[0].attempt.reply is None


def test_an_outcome_that_can_not_be_stored_leaves_nothing_behind_in_the_process(logged):
    desk = Desk(DELIVERED, [RowRefused("a defect")] * 2)

    desk.deliver()

    assert len(desk.under_way) == 0
    assert "delivery.not_recorded" in logged()


def test_a_record_that_others_may_have_to_be_asked_of_is_no_loss_at_the_end(logged):
    desk = Desk(PUT_OFF, is_fleet=True)
    desk.crew = False

    desk.deliver()

    assert [one.after.status for one in desk.stored] == [D.RETRY]
    assert "delivery.not_recorded" not in logged()
    assert (len(desk.under_way), desk.over) == (0, 1)


def test_who_waits_is_told_though_nobody_can_be_told_for_the_numbers(logged):
    def fail(*_):
        raise ValueError("a defect")

    desk = Desk(DELIVERED, observe=fail)

    assert desk.deliver().answer().status is D.SUCCESS
    told = logged()
    assert "delivery.not_told_ended" in told
    assert "delivery.not_recorded" not in told


def test_a_quick_retry_is_scheduled_while_someone_waits():
    desk = Desk(PUT_OFF)

    wait = desk.deliver()

    assert wait.answer() is None
    assert desk.scheduled[0].status is D.RETRY


def test_whether_others_took_it_back_is_asked_until_the_store_answers():
    desk = Desk(PUT_OFF)
    desk.unheard = [NotReady("away")] * 2

    wait = desk.deliver()

    assert [one.status for one in desk.scheduled] == [D.RETRY]
    assert wait.news.delivery.status is D.RETRY


@pytest.mark.parametrize(
    ("completion", "status"),
    [(Completion.RELAYED, D.TEMP_FAILED), (Completion.ACCEPTED, D.SUCCESS)],
)
def test_a_relayed_send_is_not_sent_without_a_caller(completion, status):
    desk = Desk(DELIVERED)

    desk.attempt(under_way(plan=a_plan(completion)))

    assert desk.stored[0].after.status is status


def test_a_closing_process_does_not_wait_for_the_store():
    desk = Desk(DELIVERED, [NotReady("away")] * 50)
    desk.closing.set()

    desk.deliver()

    assert desk.stored == []


@pytest.fixture
def marking(monkeypatch):
    """Attempts come to their end of data; the list tells whether they may pass it."""
    passed = []

    def attempt(_relay, mailing, control):
        passed.append(control.pass_end_of_data())
        found = DELIVERED if passed[-1] else PUT_OFF
        return for_all(mailing.delivery, found, Phase.END_OF_DATA)

    monkeypatch.setattr(worker_module, "make_attempt", attempt)
    return passed


def test_no_end_of_data_is_written_after_the_lease_was_lost(marking):
    desk = Desk(DELIVERED)
    delivery = under_way(plan=a_plan(Completion.ACCEPTED))
    desk.lost.add(delivery.id)

    desk.attempt(delivery)

    assert marking == [False]
    assert desk.marks.used == set()


def test_a_mark_is_cleared_when_the_outcome_is_stored(marking):
    desk = Desk(DELIVERED)

    desk.deliver()

    assert marking == [True]
    assert desk.marks.used == set()


def test_a_mark_stays_when_the_outcome_could_not_be_stored(marking):
    desk = Desk(DELIVERED, [NotReady("away")] * 50)
    desk.closing.set()

    desk.deliver()

    assert marking == [True]
    assert desk.marks.used == {1}


def test_a_mark_is_cleared_when_others_have_settled_the_attempt(marking, logged):
    desk = Desk(DELIVERED)
    desk.stale = True

    desk.deliver()

    assert marking == [True]
    assert desk.marks.used == set()
    assert "delivery.stale_outcome" in logged()


def test_a_mark_is_cleared_though_nobody_is_left_to_ask_others(monkeypatch):
    def attempt(_relay, mailing, control):
        assert control.pass_end_of_data()
        return for_all(mailing.delivery, PUT_OFF, Phase.END_OF_DATA)

    monkeypatch.setattr(worker_module, "make_attempt", attempt)
    desk = Desk(PUT_OFF, is_fleet=True)
    desk.crew = False

    desk.deliver()

    assert desk.marks.used == set()


def test_mail_to_be_held_is_marked_durably_before_its_end_of_data(marking):
    desk = Desk(DELIVERED)

    desk.deliver(on_uncertain=OnUncertain.HOLD)

    marked, ended = desk.stored
    assert marking == [True]
    assert marked.after.data_marked
    assert ended.before == marked.after


def test_mail_to_be_held_does_not_leave_while_its_mark_is_in_doubt(marking):
    desk = Desk(DELIVERED, [NotReady("the store does not answer")])

    desk.deliver(on_uncertain=OnUncertain.HOLD)

    marked, ended = desk.stored
    assert marking == [False]
    assert ended.before == marked.after, "the mark may have been stored after all"
    assert ended.after.status is D.RETRY


@pytest.mark.parametrize(
    ("completion", "passed"),
    [(Completion.RELAYED, True), (Completion.RELAYED_OR_QUEUED, False)],
)
def test_an_attempt_has_no_time_left_when_nobody_waits_for_it(
    monkeypatch, completion, passed
):
    desk = Desk(DELIVERED)
    seen = []

    def attempt(_relay, mailing, control):
        before = control.deadline.passed
        wait.leave()
        seen.append((before, control.deadline.passed))
        return for_all(mailing.delivery, PUT_OFF, Phase.CONNECT)

    monkeypatch.setattr(worker_module, "make_attempt", attempt)
    delivery = under_way(plan=a_plan(completion))
    wait = desk.room.enter(delivery.id, "main", time.monotonic() + 1000.0)

    desk.attempt(delivery)

    assert seen == [(False, passed)]


class Counted:
    """What was spent for a mail, and perhaps given back."""

    def __init__(self):
        self.given_back = 0

    def give_back(self):
        self.given_back += 1


OVER_QUOTA = Finding(Found.OVER_QUOTA, FailureReason.RATE, detail="of the day")


def test_mail_without_leave_is_not_sent_and_spends_no_attempt():
    desk = Desk(DELIVERED, leave=lambda _: Leave(OVER_QUOTA))

    desk.deliver(Completion.ACCEPTED)

    (change,) = desk.stored
    assert change.after.status is D.RETRY
    assert change.after.tries == 0
    assert change.attempt.outcome is AttemptOutcome.LOST


def test_leave_is_asked_for_until_the_store_answers():
    asked = [NotReady("away"), NotReady("away")]

    def leave(_):
        if asked:
            raise asked.pop()
        return Leave()

    desk = Desk(DELIVERED, leave=leave)

    assert desk.deliver().answer().status is D.SUCCESS
    assert not asked


def test_a_process_that_ends_does_not_send_without_leave():
    def leave(_):
        desk.closing.set()
        raise NotReady("away")

    desk = Desk(DELIVERED, leave=leave)

    desk.deliver(Completion.ACCEPTED)

    assert desk.stored[0].attempt.outcome is AttemptOutcome.ABANDONED


@pytest.mark.parametrize(
    ("found", "given_back"), [(Found.LEFT_ALONE, 1), (Found.DELIVERED, 0)]
)
def test_what_a_relay_was_not_asked_for_is_not_spent(found, given_back):
    spent = Counted()
    desk = Desk(Finding(found), leave=lambda _: Leave(spent=[spent]))

    desk.deliver()

    assert spent.given_back == given_back
