"""The end of a wait for what is at home in another process, or is wanted there."""

from __future__ import annotations

import threading

import pytest
from postroom_server.delivery.control import AttemptControl, UnderWay
from postroom_server.delivery.waiting import Patience
from postroom_server.delivery.waits import WaitRoom
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.errors import DeadlinePassed, NotReady
from postroom_server.outbox.fleet import Alone

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, a_delivery

ID = "0" * 32
ENDED, FAR = 1000.0, 1e9


class Others(Alone):
    """The other processes: what they have, and how long their callers wait."""

    is_alone = False

    def __init__(self, *, has: bool = False, waits: float | None = None) -> None:
        self.has, self.waits = has, waits
        self.away = False

    def is_elsewhere(self, _delivery_id):
        if self.away:
            raise NotReady("the store is away")
        return self.has

    def patience(self, _delivery_id):
        return self.waits


class OneDelivery:
    """A store of one delivery that nobody began."""

    def __init__(self) -> None:
        self.delivery = a_delivery()

    def get(self, _tenant, _delivery_id):
        return self.delivery

    def save(self, change, **_):
        self.delivery = change.after
        return True


class Process:
    """One of several, and a caller of it who waits until *limit*."""

    def __init__(self, others, limit=ENDED) -> None:
        self.room, self.under_way = WaitRoom(8), UnderWay()
        self.outbox = OneDelivery()
        self.patience = Patience(
            self.outbox, self.room, self.under_way, FakeClock(NOW), others
        )
        self.place = self.room.enter(ID, "main", limit)

    def answer(self):
        return self.patience.wait(self.place, self.outbox.delivery)

    def begin(self) -> AttemptControl:
        self.room.leave(self.place)
        control = AttemptControl(lambda: None, lambda: True)
        self.under_way.begin(ID, control)
        return control


def test_a_caller_whose_time_is_over_leaves_what_another_process_has():
    process = Process(Others(has=True))

    assert process.answer() == process.outbox.delivery
    assert process.outbox.delivery.status is D.QUEUED


def test_a_caller_who_left_at_once_leaves_what_another_process_has():
    process = Process(Others(has=True), FAR)
    process.place.leave()

    assert process.answer().status is D.QUEUED


def test_what_is_at_home_here_is_withdrawn():
    process = Process(Others())

    with pytest.raises(DeadlinePassed):
        process.answer()


def test_who_leaves_the_service_leaves_what_another_process_has():
    process = Process(Others(has=True), FAR)
    process.room.closing = True

    assert process.answer().status is D.QUEUED


def test_nothing_is_withdrawn_of_which_nobody_can_tell_where_it_is():
    others = Others()
    others.away = True
    process = Process(others)

    assert process.answer().status is D.QUEUED


def test_who_came_to_wait_elsewhere_just_now_keeps_an_attempt_going():
    process = Process(Others(waits=30.0))
    control = process.begin()
    process.patience.give_up("default", ID)

    assert not control.deadline.passed


def test_who_came_to_wait_here_just_now_keeps_an_attempt_going():
    process = Process(Others(), FAR)
    control = process.begin()
    process.room.enter(ID, "main", FAR)
    process.patience.give_up("default", ID)

    assert not control.deadline.passed


def test_an_attempt_for_which_nobody_waits_is_broken_off():
    process = Process(Others())
    control = process.begin()
    broken_off = threading.Event()
    control.on_abort(broken_off.set)
    process.patience.give_up("default", ID)

    assert broken_off.is_set()
