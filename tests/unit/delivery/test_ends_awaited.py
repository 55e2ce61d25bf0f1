"""Who waits for attempts to end hears of it at once, though most ends are told nobody."""

from __future__ import annotations

import threading

import pytest
from postroom_server.delivery.control import AttemptControl, UnderWay
from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.tenant_gates import TenantGates

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW

PLENTY = 30.0
FOR_EVER = 3600.0


class Listener:
    """A thread that waits by *condition* within *wait*; what it was told."""

    def __init__(self, condition, wait):
        self._there = threading.Event()
        self._wait_really = condition.wait
        condition.wait = self._note
        self.told = []
        self._thread = threading.Thread(
            target=lambda: self.told.append(wait()), daemon=True
        )

    def _note(self, seconds=None):
        # Its lock is held: nobody can end anything before the wait has begun.
        self._there.set()
        return self._wait_really(seconds)

    def start(self):
        self._thread.start()
        assert self._there.wait(PLENTY)

    def heard(self):
        self._thread.join(PLENTY)
        return self.told


FIRST = AttemptControl(lambda: None, lambda: True)


@pytest.fixture
def under_way():
    under_way = UnderWay()
    under_way.begin("1", FIRST)
    return under_way


def test_the_last_end_is_heard_of_by_who_waits_for_none(under_way):
    listener = Listener(under_way._changed, lambda: under_way.wait_for_none(FOR_EVER))
    listener.start()

    under_way.end("1", FIRST)

    assert listener.heard() == [True]


@pytest.mark.parametrize("step", ["begin", "end"])
def test_each_step_is_heard_of_by_who_waits_for_a_change(under_way, step):
    listener = Listener(under_way._changed, lambda: under_way.changed(FOR_EVER))
    listener.start()

    if step == "end":
        under_way.end("1", FIRST)
    else:
        under_way.begin("2", AttemptControl(lambda: None, lambda: True))

    assert listener.heard() == [None]


def test_a_slot_given_back_is_heard_of_by_who_waits_for_a_relay_to_rest():
    lane = Lane("main", 2)
    lane.take(1, retries=False)
    dispatcher = Dispatcher(
        None, FakeClock(NOW), {"main": lane}, {}, TenantGates({}, None)
    )
    listener = Listener(
        dispatcher._ended, lambda: dispatcher.await_none(FOR_EVER, "main")
    )
    listener.start()

    dispatcher.release("main")

    assert listener.heard() == [0]
    lane.close()
