"""The gate of a relay that is nowhere, on a clock that is told to go."""

from __future__ import annotations

from types import SimpleNamespace

from postroom_server.delivery.allowance import Gear
from postroom_server.delivery.gate import RelayGate
from postroom_server.delivery.relay import RelayWatch
from postroom_server.delivery.throttle import Throttle
from postroom_server.domain.pacing import NO_LIMITS, Limits
from postroom_server.domain.stats import PoolStats
from postroom_server.outbox.quotas import LocalQuotaStore, Quotas
from postroom_server.outbox.tokens import LocalTokens

from tests.support.clocks import FakeClock


def a_gear(clock: FakeClock) -> Gear:
    """Tokens of one process, on *clock*."""
    quotas = Quotas(LocalQuotaStore(), clock.monotonic)
    return Gear(LocalTokens(clock.monotonic), quotas, clock)


def a_gate(
    gear: Gear, slots: int = 3, limits: Limits = NO_LIMITS, relay_id: str = "main"
) -> RelayGate:
    """The gate of a relay with *slots* and *limits*; `relay.idle` sessions wait."""
    monotonic = gear.clock.monotonic
    relay = SimpleNamespace(
        id=relay_id,
        name=f"relays/{relay_id}",
        limits=limits,
        idle=0,
        watch=RelayWatch(monotonic, lambda _: None, lambda: 1.0, relay_id),
        throttle=Throttle(lambda: slots, monotonic),
    )
    relay.pool = SimpleNamespace(
        stats=lambda: PoolStats(max_size=slots, idle=relay.idle)
    )
    return RelayGate(relay, gear)


class NothingFollows:
    """What stands for a relay where mail waits in the store alone."""

    def take_up(self, _relay):
        pass
