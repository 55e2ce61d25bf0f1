from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from postroom_server.delivery.relays import Relays
from postroom_server.delivery.statistics import Statistics
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.counters import Counters
from postroom_server.domain.errors import InvalidArgument, RelayNotFound
from postroom_server.domain.stats import LatencyKind, PoolStats, StatsWindow
from postroom_server.outbox.store import QueueDepth
from postroom_server.telemetry.meter import Meter

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW

AN_HOUR_AGO = after(NOW, -3600)
POOLS = {"main": PoolStats(max_size=10), "spare": PoolStats(max_size=2)}


@dataclass
class Store:
    """Counts and depths by relay; "" is all."""

    created_at: Instant = AN_HOUR_AGO
    counts: Mapping[str, Counters] = field(default_factory=dict)
    depths: Mapping[str, QueueDepth] = field(default_factory=dict)

    def counters(self, relay=""):
        return self.counts.get(relay, Counters())

    def depth(self, now, relay=""):
        return self.depths.get(relay, QueueDepth())


def a_relay(bare):
    pool = SimpleNamespace(stats=lambda: POOLS[bare])
    return SimpleNamespace(id=bare, name=f"relays/{bare}", pool=pool)


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


def report(relay="", stats=None, **included):
    chosen = {"include_relays": False, "include_latencies": False, **included}
    return (stats or statistics()).report(relay, **chosen)


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
    found = report(include_relays=True).relays

    assert [(r.relay, r.pool) for r in found] == [*POOLS.items()]
    assert report().relays == ()


def test_one_relay_is_told_alone():
    found = report("relays/spare", include_relays=True).relays

    assert [(r.relay, r.pool.max_size) for r in found] == [("spare", 2)]


@pytest.mark.parametrize("wanted", [True, False])
def test_latencies_are_told_when_asked_for(wanted):
    clock = FakeClock()
    meter = Meter(clock)
    meter.observe("main", LatencyKind.SEND, 0.2)
    found = report(stats=statistics(meter=meter, clock=clock), include_latencies=wanted)

    assert not found.windows[0].latencies
    assert bool(found.windows[1].latencies) is wanted


def test_latencies_of_relays_go_with_them():
    found = report(include_relays=True, include_latencies=True)

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
