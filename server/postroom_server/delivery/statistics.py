"""The numbers of `GetStats`, put together from where they are counted.

ALL comes from the store, which counts in the same commit as it changes a delivery, so
it is durable and of every process; the other windows are this process's own (threat
R21: both are exact, and neither is made from the other).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom_server.delivery.relay import Relay
from postroom_server.delivery.relays import Relays
from postroom_server.domain.clock import Clock, Instant, seconds_between
from postroom_server.domain.counters import NOTHING, Counters
from postroom_server.domain.stats import (
    QueueStats,
    RelayStats,
    StatsReport,
    StatsWindow,
    TenantStats,
    WindowStats,
)
from postroom_server.outbox.store import Outbox, QueueDepth
from postroom_server.telemetry.meter import Meter

MOST_TENANTS = 100
"""How many tenants are told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """What is told beside the numbers of all."""

    relays: bool = False
    tenants: bool = False
    latencies: bool = False


NOTHING_MORE = Include()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Reads the numbers of one process, *instance*, and of the store that it serves."""

    outbox: Outbox
    meter: Meter
    relays: Relays
    clock: Clock
    instance: str
    started_at: Instant

    def report(
        self, relay: str = "", *, tenant: str = "", include: Include = NOTHING_MORE
    ) -> StatsReport:
        """The numbers now, of *relay* ("relays/main") and *tenant*, or of all for "".

        Raises `RelayNotFound`, or `InvalidArgument` for what can't be a name.
        """
        chosen = (self.relays.find(relay),) if relay else tuple(self.relays)
        only = chosen[0].id if relay else ""
        moment = _Moment(self, self.clock.now(), tenant, latencies=include.latencies)
        return StatsReport(
            taken_at=moment.now,
            started_at=self.started_at,
            instance=self.instance,
            windows=moment.windows(only),
            queue=moment.queue(only),
            relays=tuple(map(moment.relay, chosen)) if include.relays else (),
            tenants=tuple(moment.tenants(only)) if include.tenants else (),
            hold=self.outbox.hold.now(),
        )

    def queue(self, relay: str) -> QueueStats:
        """What waits for *relay* (a bare id), of all tenants."""
        return _Moment(self, self.clock.now(), "", latencies=False).queue(relay)


@dataclass(frozen=True, slots=True)
class _Moment:
    """The numbers *now*, of *tenant* or of all for ""."""

    of: Statistics
    now: Instant
    tenant: str
    latencies: bool

    def relay(self, relay: Relay) -> RelayStats:
        return RelayStats(
            relay=relay.id,
            windows=self.windows(relay.id),
            pool=relay.pool.stats(),
            queue=self.queue(relay.id),
            condition=relay.condition(),
        )

    def tenants(self, relay: str) -> Iterator[TenantStats]:
        """Those with most deliveries first."""
        outbox = self.of.outbox
        counted = outbox.counters_by_tenant(
            relay, tenant=self.tenant, most=MOST_TENANTS
        )
        depths = outbox.depth_by_tenant(self.now, relay, tenant=self.tenant)
        for tenant in sorted(counted, key=lambda one: (-counted[one].accepted, one)):
            since = self.of.meter.windows(relay, tenant=tenant)
            yield TenantStats(
                tenant=tenant,
                windows=(self._ever(counted[tenant]), *since),
                queue=self._told(depths.get(tenant, _EMPTY)),
            )

    def windows(self, relay: str) -> tuple[WindowStats, ...]:
        since = self.of.meter.windows(
            relay, tenant=self.tenant, latencies=self.latencies
        )
        outbox, tenant = self.of.outbox, self.tenant
        if not tenant:
            return (self._ever(outbox.counters(relay)), *since)
        counted = outbox.counters_by_tenant(relay, tenant=tenant)
        return (self._ever(counted.get(tenant, NOTHING)), *since)

    def queue(self, relay: str) -> QueueStats:
        outbox, tenant = self.of.outbox, self.tenant
        if not tenant:
            return self._told(outbox.depth(self.now, relay))
        depths = outbox.depth_by_tenant(self.now, relay, tenant=tenant)
        return self._told(depths.get(tenant, _EMPTY))

    def _ever(self, counters: Counters) -> WindowStats:
        age = seconds_between(self.of.outbox.created_at, self.now)
        return WindowStats(
            window=StatsWindow.ALL, length=max(0.0, age), counters=counters
        )

    def _told(self, depth: QueueDepth) -> QueueStats:
        return QueueStats(
            due=depth.due,
            scheduled=depth.scheduled,
            retrying=depth.retrying,
            sending=depth.sending,
            oldest_due_age=depth.oldest_due_age(self.now),
        )


_EMPTY = QueueDepth()
