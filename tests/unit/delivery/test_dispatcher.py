from __future__ import annotations

import threading

import pytest
from postroom_server.delivery import dispatcher as module
from postroom_server.delivery.dispatcher import Dispatcher, Slot
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.relay import FIRST_PROBE
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.clock import after
from postroom_server.domain.errors import NotReady
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.pacing import NO_LIMITS, Limits
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.store import Claimed

from tests.support.builders import a_delivery
from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, under_way
from tests.support.gates import NothingFollows, a_gate, a_gear
from tests.support.pools import wait_until

PATIENCE = 10.0
DAY = 86_400.0
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

    def begin_commit(self):
        pass

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

    def __init__(self, slots=3, limits=NO_LIMITS, tenants=None):
        self.clock = FakeClock(NOW)
        self.queue = Queue()
        self.gear = a_gear(self.clock)
        self.gate = a_gate(self.gear, slots, limits)
        self.watch = self.gate.relay.watch
        self.lane = Lane("main", slots)
        self.dispatcher = Dispatcher(
            self.queue,
            self.clock,
            {"main": self.lane},
            {"main": self.gate},
            TenantGates(tenants or {}, self.gear),
        )
        self.delivered = threading.Semaphore(0)

    def deliver(self, _claimed, _mailing, ending):
        self.delivered.release()
        ending.recorded()

    def start(self):
        self.dispatcher.start(self.deliver, NothingFollows())

    def await_free_slots(self):
        wait_until(lambda: self.lane.free == self.lane.slots)


@pytest.fixture
def dispatching():
    dispatching = Dispatching()
    yield dispatching
    dispatching.dispatcher.stop()
    dispatching.dispatcher.close()


def test_an_attempt_whose_record_is_not_stored_has_not_ended(dispatching):
    dispatcher, delivery = dispatching.dispatcher, a_delivery()
    assert dispatcher.reserve("main", delivery.tenant)
    dispatcher.ended(delivery, retries=False)
    before = dispatcher.await_none(0.0, "main")
    dispatcher.recorded("main")

    assert dispatching.lane.free == dispatching.lane.slots
    assert (before, dispatcher.await_none(0.0, "main")) == (1, 0)


def test_an_attempt_that_is_recorded_before_its_slot_is_free_has_ended(dispatching):
    dispatcher, delivery = dispatching.dispatcher, a_delivery()
    assert dispatcher.reserve("main", delivery.tenant)
    dispatcher.recorded("main")
    dispatcher.ended(delivery, retries=False)

    assert dispatcher.await_none(0.0, "main") == 0
    assert dispatching.lane.recording == 0


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
def test_mail_still_leaves_after_the_store_failed_once(dispatching, failure, logged):
    dispatching.queue.claim_failures = [failure]

    dispatching.start()
    while "dispatch." not in logged():
        threading.Event().wait(0.01)
    dispatching.dispatcher.hear(a_delivery(due_at=NOW))

    assert dispatching.delivered.acquire(timeout=PATIENCE)
    dispatching.await_free_slots()


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

    assert not dispatching.dispatcher.reserve("main", "default")


def test_nothing_is_reserved_beyond_the_slots(dispatching):
    given = [dispatching.dispatcher.reserve("main", "default") for _ in range(4)]

    assert given == [True, True, True, False]


@pytest.fixture
def limited():
    made = []

    def make(**given):
        made.append(Dispatching(**given))
        return made[-1]

    yield make
    for one in made:
        one.dispatcher.stop()
        one.dispatcher.close()


ONE = Limits(max_per_second=0.1, burst=1)


@pytest.mark.parametrize("given", [{"limits": ONE}, {"tenants": {"default": ONE}}])
def test_queued_mail_waits_for_its_rate(limited, given):
    dispatching = limited(**given)
    dispatching.queue.waiting = 3
    dispatching.start()
    assert dispatching.delivered.acquire(timeout=PATIENCE)
    dispatching.await_free_slots()
    first = sum(dispatching.queue.claims)

    dispatching.clock.advance(10)
    dispatching.dispatcher.wake()

    assert dispatching.delivered.acquire(timeout=PATIENCE)
    dispatching.await_free_slots()
    assert first == 1
    assert sum(dispatching.queue.claims) == 2


def test_what_was_reserved_and_not_stored_costs_no_token(limited):
    dispatching = limited(limits=ONE, tenants={"default": ONE})
    dispatcher = dispatching.dispatcher

    assert dispatcher.reserve("main", "default")
    assert not dispatcher.reserve("main", "default")
    dispatcher.give_back("main", {"default": 1})
    assert dispatcher.reserve("main", "default")


def test_the_limit_of_one_tenant_holds_back_no_other(limited):
    dispatching = limited(tenants={"acme": ONE})
    dispatcher = dispatching.dispatcher

    assert dispatcher.reserve("main", "acme")
    assert not dispatcher.reserve("main", "acme")
    assert dispatcher.reserve("main", "default")


@pytest.mark.parametrize("tenant", ["default", "acme"])
def test_mail_that_waits_for_its_tenants_rate_keeps_no_slot_from_others(
    limited, tenant
):
    dispatching = limited(tenants={"acme": ONE})
    dispatcher = dispatching.dispatcher
    dispatcher.reserve("main", "acme")
    dispatching.lane.hear(LaneKey(tenant="acme"), NOW)

    assert dispatcher.reserve("main", tenant) == (tenant == "default")


def test_nobody_goes_before_mail_whose_tenant_may_send_again(limited):
    dispatching = limited(tenants={"acme": ONE})
    dispatcher = dispatching.dispatcher
    dispatcher.reserve("main", "acme")
    dispatching.lane.hear(LaneKey(tenant="acme"), NOW)
    dispatching.clock.advance(10)

    assert not dispatcher.reserve("main", "default")
    assert not dispatcher.reserve("main", "acme"), "its own waits, too"


def test_mail_that_waits_for_its_rate_lets_that_of_others_stand(limited):
    dispatching = limited(tenants={"acme": ONE}, slots=1)
    dispatching.dispatcher.reserve("main", "acme")
    dispatching.lane.hear(LaneKey(tenant="acme"), NOW)

    assert dispatching.dispatcher.slot("main", "default", last=True) is Slot.FULL


def test_a_limit_that_is_used_up_is_waited_for_and_not_polled(limited):
    dispatching = limited(tenants={"default": ONE})
    dispatching.dispatcher.reserve("main", "default")
    dispatching.lane.hear(FRESH, NOW)

    assert dispatching.dispatcher._idle_for() == pytest.approx(10.0)


def test_mail_for_later_goes_when_the_clock_is_set_past_its_time(
    dispatching, monkeypatch
):
    monkeypatch.setattr(module, "SAFETY_NET", 0.05)
    dispatching.queue.waiting = 0
    dispatching.start()
    dispatching.dispatcher.hear(a_delivery(due_at=after(NOW, DAY)))
    assert not dispatching.delivered.acquire(timeout=0.2)
    dispatching.queue.waiting = 1
    dispatching.clock.advance(DAY)

    assert dispatching.delivered.acquire(timeout=PATIENCE)


def test_mail_for_later_stays_when_the_clock_is_set_back(dispatching):
    dispatching.start()
    assert dispatching.delivered.acquire(timeout=PATIENCE)
    dispatching.clock.advance(-DAY)
    dispatching.dispatcher.hear(a_delivery(due_at=NOW))

    assert not dispatching.delivered.acquire(timeout=0.2)


def test_who_is_last_lets_retries_that_are_due_go_first(dispatching):
    retry = LaneKey(tenant="default", retries=True)
    dispatching.lane.hear(retry, after(NOW, DAY))
    before = dispatching.dispatcher.slot("main", "default", last=True)
    dispatching.lane.hear(retry, NOW)

    assert before is Slot.TAKEN
    assert dispatching.dispatcher.slot("main", "default", last=True) is Slot.REFUSED
    assert dispatching.dispatcher.slot("main", "default") is Slot.TAKEN


def test_that_attempts_hold_every_slot_is_told_from_that_mail_waits(dispatching):
    for _ in range(3):
        dispatching.dispatcher.reserve("main", "default")
    full = dispatching.dispatcher.slot("main", "default")
    dispatching.lane.hear(FRESH, NOW)

    assert full is Slot.FULL
    assert dispatching.dispatcher.slot("main", "default") is Slot.REFUSED
