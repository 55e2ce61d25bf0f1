"""The numbers of `GetStats`, put together from where they are counted.

ALL comes from the store, which counts in the same commit as it changes a delivery, so
it is durable and of every process; the other windows are this process's own (threat
R21: both are exact, and neither is made from the other).
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.delivery.relay import Relay
from postroom_server.delivery.relays import Relays
from postroom_server.domain.clock import Clock, Instant, seconds_between
from postroom_server.domain.stats import (
    QueueStats,
    RelayStats,
    StatsReport,
    StatsWindow,
    WindowStats,
)
from postroom_server.outbox.store import Outbox
from postroom_server.telemetry.meter import Meter


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
        self, relay: str, *, include_relays: bool, include_latencies: bool
    ) -> StatsReport:
        """The numbers now, of *relay* ("relays/main") or of all for "".

        Raises `RelayNotFound`, or `InvalidArgument` for what can't be a name.
        """
        chosen = (self.relays.find(relay),) if relay else tuple(self.relays)
        only = chosen[0].id if relay else ""
        now = self.clock.now()
        latencies = include_latencies
        return StatsReport(
            taken_at=now,
            started_at=self.started_at,
            instance=self.instance,
            windows=self._windows(only, now, latencies=latencies),
            queue=self._queue(only, now),
            relays=tuple(self._relay(r, now, latencies=latencies) for r in chosen)
            if include_relays
            else (),
        )

    def _relay(self, relay: Relay, now: Instant, *, latencies: bool) -> RelayStats:
        return RelayStats(
            relay=relay.id,
            windows=self._windows(relay.id, now, latencies=latencies),
            pool=relay.pool.stats(),
            queue=self._queue(relay.id, now),
        )

    def _windows(
        self, relay: str, now: Instant, *, latencies: bool
    ) -> tuple[WindowStats, ...]:
        ever = WindowStats(
            window=StatsWindow.ALL,
            length=max(0.0, seconds_between(self.outbox.created_at, now)),
            counters=self.outbox.counters(relay),
        )
        return (ever, *self.meter.windows(relay, latencies=latencies))

    def _queue(self, relay: str, now: Instant) -> QueueStats:
        depth = self.outbox.depth(now, relay)
        oldest = depth.oldest_due_at
        age = 0.0 if oldest is None else max(0.0, seconds_between(oldest, now))
        return QueueStats(
            due=depth.due,
            retrying=depth.retrying,
            sending=depth.sending,
            oldest_due_age=age,
        )
