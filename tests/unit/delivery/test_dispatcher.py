from __future__ import annotations

import threading

import pytest
from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.relay import FIRST_PROBE, RelayWatch
from postroom_server.domain.errors import NotReady
from postroom_server.domain.lane import LaneKey
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.store import Claimed

from tests.support.builders import a_delivery
from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, under_way

PATIENCE = 10.0
FRESH = LaneKey(tenant="default")
REFUSED = Finding(Found.RELAY_AT_FAULT)


class Queue:
    """A store with *waiting* deliveries due; *failures* are raised first."""

    def __init__(self, waiting=1):
        self.waiting = waiting
        self.claim_failures = []
        self.look_failures = []
        self.claims = []

    def lanes(self, _relay):
        return {FRESH: NOW} if self.waiting else {}

    def next_due(self, _relay, lane):
        if self.look_failures:
            raise self.look_failures.pop()
        return NOW if self.waiting and lane == FRESH else None

    def claim(self, _relay, _now, wanted):
        if self.claim_failures:
            raise self.claim_failures.pop()
        taken = min(wanted.get(FRESH, 0), self.waiting)
        if taken:
            self.claims.append(wanted[FRESH])
        self.waiting -= taken
        return [Claimed(under_way(), None)] * taken


class Dispatching:
    """A dispatcher with one relay, and what it gave to be delivered."""

    def __init__(self, slots=3):
        self.clock = FakeClock(NOW)
        self.queue = Queue()
        self.watch = RelayWatch(self.clock.monotonic, lambda _: None)
        self.lane = Lane("main", slots)
        self.dispatcher = Dispatcher(
            self.queue, self.clock, {"main": self.lane}, {"main": self.watch}
        )
        self.delivered = threading.Semaphore(0)

    def deliver(self, _claimed, _mailing):
        self.delivered.release()

    def start(self):
        self.dispatcher.start(self.deliver)

    def all_slots_free(self):
        for _ in range(200):
            if self.lane.free == self.lane.slots:
                return True
            threading.Event().wait(0.01)
        return False


@pytest.fixture
def dispatching():
    dispatching = Dispatching()
    yield dispatching
    dispatching.dispatcher.stop()
    dispatching.dispatcher.close()


def test_what_was_claimed_is_begun_though_the_store_does_not_answer_after_it(
    dispatching,
):
    dispatching.dispatcher.hear(a_delivery(due_at=NOW))
    dispatching.start()
    assert dispatching.delivered.acquire(timeout=PATIENCE)
    dispatching.queue.waiting = 1
    dispatching.queue.look_failures = [NotReady("away")]

    dispatching.dispatcher.hear(a_delivery(due_at=NOW))

    assert dispatching.delivered.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("failure", [NotReady("away"), RowRefused("a defect")])
def test_mail_still_leaves_after_the_store_failed_once(dispatching, failure, capsys):
    dispatching.queue.claim_failures = [failure]

    dispatching.start()
    while "dispatch." not in capsys.readouterr().out:
        threading.Event().wait(0.01)
    dispatching.dispatcher.hear(a_delivery(due_at=NOW))

    assert dispatching.delivered.acquire(timeout=PATIENCE)
    assert dispatching.all_slots_free()


def test_one_delivery_alone_asks_a_relay_that_refused_us(dispatching):
    dispatching.queue.waiting = 5
    dispatching.watch.failed(REFUSED)
    dispatching.clock.advance(FIRST_PROBE + 1)

    dispatching.start()

    assert dispatching.delivered.acquire(timeout=PATIENCE)
    dispatching.dispatcher.stop()
    assert set(dispatching.queue.claims) == {1}


def test_new_mail_does_not_jump_the_queue(dispatching):
    dispatching.dispatcher.hear(a_delivery(due_at=NOW))

    assert not dispatching.dispatcher.reserve("main")


def test_a_queue_that_rests_does_not_keep_a_caller_from_hearing_why(dispatching):
    dispatching.dispatcher.hear(a_delivery(due_at=NOW))
    dispatching.watch.failed(REFUSED)

    assert dispatching.dispatcher.reserve("main")


def test_nothing_is_reserved_beyond_the_slots(dispatching):
    given = [dispatching.dispatcher.reserve("main") for _ in range(4)]

    assert given == [True, True, True, False]
