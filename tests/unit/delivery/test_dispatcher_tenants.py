from __future__ import annotations

import threading

import pytest
from postroom_server.delivery import dispatcher
from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.pacing import Limits
from postroom_server.outbox.store import Claimed

from tests.support.builders import a_delivery
from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, under_way
from tests.support.gates import NothingFollows, a_gate, a_gear

PATIENCE = 10.0
FRESH = LaneKey(tenant="default")


class Queue:
    """A store in which *waiting* tells how much is due, by relay."""

    def __init__(self):
        self.waiting = {"first": 0, "second": 0}
        self.looked = threading.Event()

    def lanes(self, relay):
        return {FRESH: NOW} if self.waiting[relay] else {}

    def next_due(self, relay, _lane):
        return NOW if self.waiting[relay] else None

    def begin_commit(self):
        pass

    def claim(self, relay, _now, wanted):
        taken = min(wanted.get(FRESH, 0), self.waiting[relay])
        self.waiting[relay] -= taken
        return [Claimed(under_way(relay=relay), None)] * taken


class TwoRelays:
    """A dispatcher of two relays, for a tenant with one attempt at a time."""

    def __init__(self):
        clock = FakeClock(NOW)
        gear = a_gear(clock)
        self.queue = Queue()
        relays = ("first", "second")
        self.lanes = {relay: Lane(relay, 3) for relay in relays}
        one = Limits(concurrent_sessions=1)
        self.dispatcher = Dispatcher(
            self.queue,
            clock,
            self.lanes,
            {relay: a_gate(gear, relay_id=relay) for relay in relays},
            TenantGates({"default": one}, gear),
        )
        self.started = {relay: threading.Event() for relay in relays}
        self.may_end = threading.Event()

    def deliver(self, claimed, _mailing, ending):
        relay = claimed.delivery.relay
        self.started[relay].set()
        if relay == "first":
            assert self.may_end.wait(PATIENCE)
        ending.recorded()


@pytest.fixture
def two(monkeypatch):
    # Nobody looks at everything only because time has passed.
    monkeypatch.setattr(dispatcher, "SAFETY_NET", 3600.0)
    two = TwoRelays()
    yield two
    two.may_end.set()
    two.dispatcher.stop()
    two.dispatcher.close()


def test_the_end_of_a_tenants_attempt_lets_its_mail_for_another_relay_go(two):
    two.dispatcher.start(two.deliver, NothingFollows())
    two.queue.waiting["first"] = 1
    two.dispatcher.hear(a_delivery(relay="first", due_at=NOW))
    assert two.started["first"].wait(PATIENCE)
    two.queue.waiting["second"] = 1
    two.dispatcher.hear(a_delivery(relay="second", due_at=NOW))
    assert not two.started["second"].wait(0.3)

    two.may_end.set()

    assert two.started["second"].wait(PATIENCE)
