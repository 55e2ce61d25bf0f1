"""What the engine tells of itself: every stored change to log and meter, and times."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from postroom_server.delivery import journal
from postroom_server.delivery.attempts import Course
from postroom_server.domain.attempt import Phase
from postroom_server.domain.clock import seconds_between
from postroom_server.domain.counters import NOTHING
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.stats import LatencyKind
from postroom_server.domain.transitions import Change
from postroom_server.telemetry.meter import Meter


@dataclass(frozen=True, slots=True)
class Observer:
    """Feeds the meter, and the log; sets *news* when there are new events."""

    meter: Meter
    news: threading.Event = field(default_factory=threading.Event)

    def stored(self, change: Change) -> None:
        """A change was stored; called by the outbox for each."""
        # Asked first: it is cheaper, and mostly set already under load.
        if change.events and not self.news.is_set():
            self.news.set()
        attempt = change.attempt
        if attempt is not None and attempt.ended_at is None:
            attempt = None
        if attempt is not None or change.counters is not NOTHING:
            after, counters = change.after, change.counters
            self.meter.record(after.relay, counters, after.tenant, ended=attempt)
        journal.tell(change)

    def attempted(self, delivery: Delivery, course: Course) -> None:
        """An attempt ended, and *delivery* is what it left."""
        spent: dict[LatencyKind, float] = {}
        for timing in course.timings:
            kind = _KINDS.get(timing.phase)
            if kind is not None:
                spent[kind] = spent.get(kind, 0.0) + timing.seconds
        if course.transaction is not None:
            spent[LatencyKind.TRANSACTION] = course.transaction
        sent_at = delivery.sent_at
        if sent_at is not None and sent_at == delivery.attempts[-1].ended_at:
            since = max(delivery.accepted_at, delivery.send_at or delivery.accepted_at)
            spent[LatencyKind.SEND] = max(0.0, seconds_between(since, sent_at))
        if spent:
            self.meter.observe(delivery.relay, spent, delivery.tenant)


_KINDS = {
    Phase.POOL: LatencyKind.POOL,
    Phase.DNS: LatencyKind.CONNECT,
    Phase.CONNECT: LatencyKind.CONNECT,
    Phase.TLS: LatencyKind.TLS,
    Phase.AUTH: LatencyKind.AUTH,
}
