from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from postroom_server.delivery.relays import Relays
from postroom_server.delivery.statistics import Include, Statistics
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.counters import Counters
from postroom_server.domain.errors import InvalidArgument, RelayNotFound
from postroom_server.domain.relays import RelayCondition, RelayState
from postroom_server.domain.stats import LatencyKind, PoolStats, StatsWindow
from postroom_server.outbox.holds import LocalHolds
from postroom_server.outbox.store import QueueDepth
from postroom_server.telemetry.meter import Meter

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW

AN_HOUR_AGO = after(NOW, -3600)
POOLS = {"main": PoolStats(max_size=10), "spare": PoolStats(max_size=2)}


@dataclass
class Store:
    """Counts and depths by relay, "" is all, and by tenant."""

    created_at: Instant = AN_HOUR_AGO
    counts: Mapping[str, Counters] = field(default_factory=dict)
    depths: Mapping[str, QueueDepth] = field(default_factory=dict)
    tenant_counts: Mapping[str, Counters] = field(default_factory=dict)
    tenant_depths: Mapping[str, QueueDepth] = field(default_factory=dict)
    hold: LocalHolds = field(default_factory=LocalHolds)

    def counters(self, relay=""):
        return self.counts.get(relay, Counters())

    def depth(self, now, relay=""):
        return self.depths.get(relay, QueueDepth())

    def counters_by_tenant(self, relay="", *, tenant="", most=100):
        return only(self.tenant_counts, tenant)

    def depth_by_tenant(self, now, relay="", *, tenant=""):
        return only(self.tenant_depths, tenant)


def only(of, tenant):
    return {name: value for name, value in of.items() if tenant in {"", name}}


ACTIVE = RelayCondition(state=RelayState.ACTIVE)


def a_relay(bare):
    pool = SimpleNamespace(stats=lambda: POOLS[bare])
    return SimpleNamespace(
        id=bare, name=f"relays/{bare}", pool=pool, condition=lambda: ACTIVE
    )


def statistics(store=None, meter=None, clock=None):
    clock = clock or FakeClock()
    return Statistics(
        outbox=store or Store(),
        meter=meter or Meter(clock),
        relays=Relays({bare: a_relay(bare) for bare in POOLS}, "main"),
        clock=clock,
        instance="0a1b",
        started_at=NOW,
    )


def report(relay="", stats=None, tenant="", **included):
    include = Include(**included)
    return (stats or statistics()).report(relay, tenant=tenant, include=include)


def test_all_windows_are_told_the_shortest_last():
    assert [w.window for w in report().windows] == [
        StatsWindow.ALL,
        StatsWindow.SINCE_START,
        StatsWindow.LAST_60M,
        StatsWindow.LAST_5M,
        StatsWindow.LAST_1M,
    ]


def test_all_time_is_what_the_store_counted():
    store = Store(counts={"": Counters(accepted=7), "main": Counters(accepted=3)})
    stats = statistics(store)

    assert report(stats=stats).windows[0].counters == Counters(accepted=7)
    assert report("relays/main", stats).windows[0].counters == Counters(accepted=3)


def test_all_time_is_as_old_as_the_store():
    assert report().windows[0].length == 3600


def test_a_clock_before_the_store_makes_no_negative_time():
    assert report(stats=statistics(Store(after(NOW, 60)))).windows[0].length == 0


def test_the_other_windows_are_what_this_process_counted():
    clock = FakeClock()
    meter = Meter(clock)
    meter.record("main", Counters(succeeded=1))
    meter.record("spare", Counters(succeeded=2))
    stats = statistics(meter=meter, clock=clock)

    assert report(stats=stats).windows[1].counters.succeeded == 3
    assert report("relays/spare", stats).windows[1].counters.succeeded == 2


def test_relays_are_told_when_asked_for():
    found = report(relays=True).relays

    assert [(r.relay, r.pool) for r in found] == [*POOLS.items()]
    assert report().relays == ()


def test_one_relay_is_told_alone():
    found = report("relays/spare", relays=True).relays

    assert [(r.relay, r.pool.max_size) for r in found] == [("spare", 2)]


@pytest.mark.parametrize("wanted", [True, False])
def test_latencies_are_told_when_asked_for(wanted):
    clock = FakeClock()
    meter = Meter(clock)
    meter.observe("main", {LatencyKind.SEND: 0.2})
    found = report(stats=statistics(meter=meter, clock=clock), latencies=wanted)

    assert not found.windows[0].latencies
    assert bool(found.windows[1].latencies) is wanted


def test_latencies_of_relays_go_with_them():
    found = report(relays=True, latencies=True)

    assert all(r.windows[-1].latencies for r in found.relays)


def test_the_queue_tells_how_late_it_is():
    depths = {
        "": QueueDepth(due=2, retrying=3, sending=4, oldest_due_at=after(NOW, -90)),
        "main": QueueDepth(due=1, oldest_due_at=after(NOW, -30)),
    }
    stats = statistics(Store(depths=depths))
    queue = report(stats=stats).queue

    assert (queue.due, queue.retrying, queue.sending) == (2, 3, 4)
    assert queue.oldest_due_age == 90
    assert report("relays/main", stats).queue.oldest_due_age == 30


@pytest.mark.parametrize("oldest", [None, after(NOW, 60)])
def test_nothing_late_has_no_age(oldest):
    depths = {"": QueueDepth(oldest_due_at=oldest)}

    assert report(stats=statistics(Store(depths=depths))).queue.oldest_due_age == 0


def test_the_moment_and_the_process_are_told():
    clock = FakeClock()
    stats = statistics(clock=clock)
    clock.advance(5)
    found = report(stats=stats)

    assert (found.taken_at, found.started_at) == (after(NOW, 5), NOW)
    assert found.instance == "0a1b"


@pytest.mark.parametrize(
    ("name", "error"), [("relays/none", RelayNotFound), ("main", InvalidArgument)]
)
def test_only_relays_that_exist_have_numbers(name, error):
    with pytest.raises(error):
        report(name)


def of_two_tenants():
    clock = FakeClock()
    meter = Meter(clock)
    meter.record("main", Counters(accepted=2), "acme")
    meter.record("main", Counters(accepted=5), "bravo")
    meter.observe("main", {LatencyKind.SEND: 0.2}, "bravo")
    store = Store(
        tenant_counts={"acme": Counters(accepted=3), "bravo": Counters(accepted=9)},
        tenant_depths={"bravo": QueueDepth(due=4)},
    )
    return statistics(store, meter, clock)


def accepted(found):
    return [window.counters.accepted for window in found.windows[:2]]


def test_a_tenant_is_told_its_own_numbers():
    found = report(stats=of_two_tenants(), tenant="acme", latencies=True)

    assert accepted(found) == [3, 2]
    assert found.queue.due == 0
    assert all(one.count == 0 for one in found.windows[1].latencies)


def test_a_tenant_without_mail_is_told_nothing_of_others():
    found = report(stats=of_two_tenants(), tenant="none")

    assert accepted(found) == [0, 0]


def test_tenants_are_told_when_asked_for_the_largest_first():
    found = report(stats=of_two_tenants(), tenants=True).tenants

    assert [(t.tenant, accepted(t), t.queue.due) for t in found] == [
        ("bravo", [9, 5], 4),
        ("acme", [3, 2], 0),
    ]
    assert report(stats=of_two_tenants()).tenants == ()
