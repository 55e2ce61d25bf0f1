"""The series of what waits: the queue, the relays and their sessions, the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.stats import CloseReason, PoolStats
from postroom_server.outbox.commit_counts import CommitReading
from postroom_server.outbox.store import QueueDepth
from postroom_server.telemetry.series import (
    Labels,
    Reading,
    counter,
    gauge,
    histogram,
    single,
)

QUEUE = gauge("queue_deliveries", "Deliveries that are not final.", "state")
OLDEST = gauge("queue_oldest_due_seconds", "How long the oldest has been due.")
RELAY_QUEUE = gauge("relay_queue_deliveries", "The same by relay.", "relay", "state")
RELAY_OLDEST = gauge("relay_queue_oldest_due_seconds", "The same by relay.", "relay")
SERVING = gauge("relay_serving", "Whether the relay serves: 1, or 0.", "relay")
PACE = gauge("relay_pace", "The share of its full pace that it is sent.", "relay")
PAUSED = gauge("relay_paused", "Whether it is paused: 1, or 0.", "relay")
LEFT_ALONE = gauge("relay_left_alone", "Whether it failed too often.", "relay")
CALLERS = gauge("relay_waiting_callers", "Callers who wait for a verdict.", "relay")
SIZE = gauge("pool_max_sessions", "Sessions that there may be.", "relay")
SESSIONS = gauge("pool_sessions", "Idle, in use, or being opened.", "relay", "state")
WAITING = gauge("pool_waiting", "Threads that wait for a session.", "relay")
OPENED = counter("pool_sessions_opened", "Sessions opened.", "relay")
REUSED = counter("pool_sessions_reused", "Sessions used again.", "relay")
CLOSED = counter("pool_sessions_closed", "Sessions closed.", "relay", "reason")
TIMEOUTS = counter("pool_wait_timeouts", "Waits for a session in vain.", "relay")
STORE_READY = gauge("store_ready", "Whether the store can be written: 1, or 0.")
LINE = gauge("commit_waiting", "Callers who wait for the next commit.")
WORKS = histogram("commit_works", "Pieces of work that shared a commit.")
SECONDS = histogram("commit_seconds", "How long a commit took.")


class Store(Protocol):
    """The part of a store that is read here."""

    @property
    def is_ready(self) -> bool:
        """Whether it could be written when it was last tried."""

    def commits(self) -> CommitReading:
        """The line before the next commit, and the commits so far."""

    def depth(self, now: Instant, relay: str = "") -> QueueDepth:
        """What waits, of *relay* or of all."""


@dataclass(frozen=True, slots=True)
class StoreSeries:
    """Reads the committer of *store*; it never waits for the disk."""

    store: Store

    def __call__(self) -> Iterator[Reading]:
        commits = self.store.commits()
        yield single(STORE_READY, self.store.is_ready)
        yield single(LINE, commits.waiting)
        yield single(WORKS, commits.works)
        yield single(SECONDS, commits.seconds)


@dataclass(frozen=True, slots=True)
class QueueSeries:
    """Reads what waits in *store* for the relays of *engine*."""

    engine: DeliveryEngine
    store: Store
    clock: Clock

    def __call__(self) -> Iterator[Reading]:
        now = self.clock.now()
        total = self.store.depth(now)
        relays = {r.id: self.store.depth(now, r.id) for r in self.engine.relays}
        yield Reading(QUEUE, {(s,): n for s, n in _states(total).items()})
        yield single(OLDEST, total.oldest_due_age(now))
        by_state = {
            (relay, state): count
            for relay, depth in relays.items()
            for state, count in _states(depth).items()
        }
        yield Reading(RELAY_QUEUE, by_state)
        ages = {(r,): depth.oldest_due_age(now) for r, depth in relays.items()}
        yield Reading(RELAY_OLDEST, ages)


@dataclass(frozen=True, slots=True)
class PoolSeries:
    """Reads the pools of the relays of *engine*, and whether relays serve."""

    engine: DeliveryEngine

    def __call__(self) -> Iterator[Reading]:
        relays = tuple(self.engine.relays)
        yield Reading(SERVING, {(r.id,): float(r.watch.is_well) for r in relays})
        yield Reading(PACE, {(r.id,): r.throttle.share for r in relays})
        paused = {(r.id,): float(r.watch.pause is not None) for r in relays}
        yield Reading(PAUSED, paused)
        yield Reading(LEFT_ALONE, {(r.id,): float(r.watch.is_open) for r in relays})
        waiting = {(r.id,): self.engine.waiting(r.id) for r in relays}
        yield Reading(CALLERS, waiting)
        pools = {r.id: r.pool.stats() for r in relays}
        yield Reading(SIZE, {(r,): p.max_size for r, p in pools.items()})
        yield Reading(SESSIONS, _sessions(pools))
        yield Reading(WAITING, {(r,): p.waiting for r, p in pools.items()})
        yield Reading(OPENED, {(r,): p.created for r, p in pools.items()})
        yield Reading(REUSED, {(r,): p.reused for r, p in pools.items()})
        yield Reading(CLOSED, _closed(pools))
        yield Reading(TIMEOUTS, {(r,): p.wait_timeouts for r, p in pools.items()})


def _states(depth: QueueDepth) -> Mapping[str, int]:
    return {
        "due": depth.due,
        "scheduled": depth.scheduled,
        "retrying": depth.retrying,
        "sending": depth.sending,
    }


def _sessions(pools: Mapping[str, PoolStats]) -> Mapping[Labels, int]:
    return {
        (relay, state): getattr(pool, state)
        for relay, pool in pools.items()
        for state in ("idle", "in_use", "opening")
    }


def _closed(pools: Mapping[str, PoolStats]) -> Mapping[Labels, int]:
    return {
        (relay, reason.name): pool.closed_by.get(reason, 0)
        for relay, pool in pools.items()
        for reason in CloseReason
        if reason
    }
