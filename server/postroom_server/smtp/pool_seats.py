"""Who has a seat in a pool, and who waits for one: the state that its lock guards.

A seat is taken by a session that is idle, in use or being opened.  Nothing here does
I/O or waits, so every decision is made at once and as a whole.  A thread that waits is
given a session, or the permission to open one; one that has stopped waiting is out of
the queue, so nothing can be given to it and be lost.

Invariant: idle + in use + opening <= max_size.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum

from postroom_server.domain.stats import CloseReason, PoolStats
from postroom_server.smtp.errors import Link
from postroom_server.smtp.pool_policy import Pooled
from postroom_server.smtp.pool_stats import PoolCounts


class Word(Enum):
    """What a waiting thread can be told instead of getting a session."""

    OPEN = "open one yourself"
    CLOSED = "the pool is closed"


@dataclass(frozen=True, slots=True)
class Shared:
    """A session that others have too."""

    pooled: Pooled


Grant = Pooled | Shared | Word


@dataclass(frozen=True, slots=True)
class SessionReading:
    """One session, now: *age* and *silent_for* in seconds."""

    in_use: bool
    link: Link
    age: float
    silent_for: float
    transactions: int


@dataclass(slots=True, eq=False)
class Waiter:
    """One thread in the queue; *alone*: a session that others have won't do."""

    alone: bool = False
    granted: threading.Event = field(default_factory=threading.Event)
    grant: Grant | None = None


class Seats:
    """All of a pool's state; call its methods under the pool's lock only."""

    def __init__(self, max_size: int, max_waiting: int) -> None:
        self.max_size = max_size
        self.max_waiting = max_waiting
        self.idle: deque[Pooled] = deque()
        self.in_use: set[Pooled] = set()
        self.roomy: OrderedDict[Pooled, None] = OrderedDict()
        self.opening = 0
        self.waiters: deque[Waiter] = deque()
        self.counts = PoolCounts()
        self.generation = 0
        self.drained_for = CloseReason.DRAINED
        self.closed = False

    @property
    def taken(self) -> int:
        return len(self.idle) + len(self.in_use) + self.opening

    @property
    def busy(self) -> bool:
        """Whether any seat is taken by more than an idle session."""
        return bool(self.in_use or self.opening)

    def claim(self, *, alone: bool = False) -> Grant | Waiter | None:
        """A grant, or a place in the queue, or None when the queue is full."""
        if self.closed:
            return Word.CLOSED
        if not self.waiters:
            grant = self.next_grant(alone=alone)
            if grant is not None:
                return grant
        if len(self.waiters) >= self.max_waiting:
            return None
        waiter = Waiter(alone)
        self.waiters.append(waiter)
        return waiter

    def next_grant(self, *, alone: bool = False) -> Grant | None:
        """What is there for whoever is next.

        The session used last, else the seat for a new one, else room beside others.
        """
        if self.idle:
            return self.lent(self.idle.pop())
        if self.taken < self.max_size:
            self.opening += 1
            return Word.OPEN
        if alone or not self.roomy:
            return None
        pooled, _ = self.roomy.popitem(last=False)
        return Shared(self.lent(pooled))

    def lent(self, pooled: Pooled) -> Pooled:
        """Note that one more has *pooled*, and what for is not known yet."""
        self.in_use.add(pooled)
        pooled.loans += 1
        pooled.unsettled = object()
        return pooled

    def offer(self, pooled: Pooled, now: float) -> None:
        """*pooled*, which is in use, may have room for one more."""
        if self.closed or pooled not in self.in_use:
            return
        if pooled.generation == self.generation and pooled.takes_more(now):
            self.roomy[pooled] = None
            self.serve()

    def settled(self, pooled: Pooled, now: float) -> None:
        """Who has *pooled* since last does not need it alone."""
        pooled.unsettled = None
        self.offer(pooled, now)

    def shared_back(self, pooled: Pooled, loan: object, now: float) -> bool:
        """One of several gives *pooled* back; False for the last, who is to return it.

        *loan* is what was its `unsettled` when it was lent.
        """
        if pooled.loans <= 1:
            self.roomy.pop(pooled, None)
            return False
        pooled.loans -= 1
        if pooled.unsettled is loan:
            pooled.unsettled = None
        self.offer(pooled, now)
        return True

    def leave(self, waiter: Waiter) -> Grant | None:
        """Leave the queue; what was granted meanwhile is still the waiter's."""
        if waiter.grant is None:
            self.waiters.remove(waiter)
        return waiter.grant

    def take_back(self, grant: Grant | None) -> None:
        """Undo a grant that nobody will use."""
        if isinstance(grant, Shared):
            if grant.pooled.loans > 1:
                grant.pooled.loans -= 1
                grant.pooled.unsettled = None
                self.roomy[grant.pooled] = None
                self.serve()
            else:
                self.returned(grant.pooled)
        elif isinstance(grant, Pooled):
            self.returned(grant)
        elif grant is Word.OPEN:
            self.opening_failed()

    def opened(self, pooled: Pooled) -> None:
        """An opening came to a session, which is in use at once."""
        self.opening -= 1
        self.lent(pooled)
        self.counts.created += 1

    def opening_failed(self) -> None:
        self.opening -= 1
        self.serve()

    def exchange(self, dead: Pooled, reason: CloseReason) -> Grant:
        """Another grant for the seat of a session that proved dead."""
        self._no_longer_lent(dead)
        self.counts.closed_by[reason] += 1
        grant = self.next_grant(alone=True)
        assert grant is not None, "the dead session's seat is free"
        return grant

    def returned(self, pooled: Pooled) -> None:
        """A session is free again: it goes to the first who waits, else to rest."""
        self._no_longer_lent(pooled)
        self.idle.append(pooled)
        self.serve()

    def gone(self, pooled: Pooled, reason: CloseReason) -> None:
        """A session in use was closed."""
        self._no_longer_lent(pooled)
        self.counts.closed_by[reason] += 1
        self.serve()

    def serve(self) -> None:
        """Grant seats to those who wait, in the order in which they came."""
        while self.waiters:
            grant = self.next_grant(alone=self.waiters[0].alone)
            if grant is None:
                return
            self.tell(self.waiters.popleft(), grant)

    def _no_longer_lent(self, pooled: Pooled) -> None:
        self.in_use.discard(pooled)
        if self.roomy:
            self.roomy.pop(pooled, None)
        pooled.loans, pooled.unsettled = 0, None

    def withdraw(self, pooled: Pooled) -> None:
        """Take an idle session out for upkeep; it counts as in use."""
        self.idle.remove(pooled)
        self.lent(pooled)

    def drain(self, reason: CloseReason) -> list[Pooled]:
        """Take all idle sessions out; the others are not to come back."""
        self.generation += 1
        self.drained_for = reason
        drained = list(self.idle)
        self.idle.clear()
        self.roomy.clear()
        for pooled in drained:
            self.lent(pooled)
        return drained

    def close(self) -> None:
        """Turn away all who wait and all who come."""
        self.closed = True
        while self.waiters:
            self.tell(self.waiters.popleft(), Word.CLOSED)

    @staticmethod
    def tell(waiter: Waiter, grant: Grant) -> None:
        waiter.grant = grant
        waiter.granted.set()

    def sessions(self, now: float) -> list[SessionReading]:
        """Those that are open, oldest first."""
        found = sorted((*self.idle, *self.in_use), key=lambda one: one.opened_at)
        return [
            SessionReading(
                in_use=one in self.in_use,
                link=one.session.link,
                age=now - one.opened_at,
                silent_for=now - one.touched_at,
                transactions=one.session.transactions,
            )
            for one in found
        ]

    def stats(self) -> PoolStats:
        counts = self.counts
        return PoolStats(
            max_size=self.max_size,
            idle=len(self.idle),
            in_use=len(self.in_use),
            opening=self.opening,
            waiting=len(self.waiters),
            created=counts.created,
            reused=counts.reused,
            closed_by=dict(counts.closed_by),
            wait_timeouts=counts.wait_timeouts,
        )
