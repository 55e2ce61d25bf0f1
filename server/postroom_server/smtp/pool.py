"""The sessions to one relay, lent to whichever thread delivers next.

Where every session is in use, one that has room for another transaction is lent to one
more (`Session.places`).

Invariant: idle + in use + opening <= max_size.  The lock guards the state in
`pool_seats` and nothing else: no octet crosses a socket while it is held.  Waiting
threads are served in the order in which they came.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.stats import CloseReason, PoolStats
from postroom_server.smtp.errors import (
    PoolClosed,
    PoolSaturated,
    PoolTimeout,
    SessionError,
)
from postroom_server.smtp.pool_policy import (
    Pooled,
    admitted,
    due_at,
    expired,
    wants_heartbeat,
    wants_noop,
    worn_out,
)
from postroom_server.smtp.pool_seats import (
    Grant,
    Seats,
    SessionReading,
    Shared,
    Waiter,
    Word,
)
from postroom_server.smtp.session import Session, open_session
from postroom_server.smtp.settings import PoolSettings, RelaySettings
from postroom_server.smtp.timeouts import (
    NO_DEADLINE,
    NOT_AT_ALL,
    Deadline,
    DeadlineSource,
    Wait,
)

Opener = Callable[[DeadlineSource], Session]

_UPKEEP_PATIENCE = 5.0
"""Seconds for one round of heartbeats and goodbyes, whatever their number."""


class SessionPool:
    """Lends SMTP sessions, at most ``max_size`` of them at once."""

    def __init__(
        self,
        opener: Opener,
        settings: PoolSettings,
        name: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.settings = settings
        self._open = opener
        self._now = monotonic
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._seats = Seats(settings.max_size, settings.max_waiting)
        self._places_each = 1

    @classmethod
    def of(cls, relay: RelaySettings) -> SessionPool:
        """The pool of *relay*, empty as yet."""
        return cls(lambda until: open_session(relay, until), relay.pool, relay.id)

    def session(
        self, deadline: DeadlineSource = NO_DEADLINE, *, fresh: bool = False
    ) -> AbstractContextManager[Session]:
        """Lend a working session for the length of a ``with`` block.

        A session gone dead while idle is replaced unseen.  Whether it returns to the
        pool is for the session to say (`Session.usable`), not for the exception that
        may have ended the block: a refused recipient costs no connection.  *fresh* asks
        for a session just opened, which nobody has yet: to try again where a pooled one
        was lost.

        The block is entered with `PoolTimeout`, `PoolSaturated`, `PoolClosed`, or what
        opening raised, where there is none to lend.
        """
        return _Loan(self, deadline, fresh=fresh)

    def places(self) -> int:
        """How many transactions its sessions can carry at once, as far as is known."""
        return self.settings.max_size * self._places_each

    def stats(self) -> PoolStats:
        """One consistent reading."""
        with self._lock:
            return self._seats.stats()

    def sessions(self) -> list[SessionReading]:
        """Those that are open now, oldest first."""
        with self._lock:
            return self._seats.sessions(self._now())

    def drain(self, reason: CloseReason = CloseReason.DRAINED) -> None:
        """Retire every session: idle ones now, lent ones on their return."""
        self._drain(reason, Deadline.after(_UPKEEP_PATIENCE))

    def close(self, timeout: float = 5.0) -> None:
        """Turn new callers away, wait for lent sessions, then cut them off.

        *timeout* is in seconds.  Sessions that are being opened end by themselves
        within a second.
        """
        until = Deadline.after(timeout)
        with self._lock:
            self._seats.close()
        self._drain(CloseReason.DRAINED, until)
        with self._lock:
            self._quiet.wait_for(lambda: not self._seats.busy, until.remaining())
            late = list(self._seats.in_use)
        for pooled in late:
            pooled.session.abort()

    def maintain(self) -> float:
        """Let expired sessions go and keep the others alive; seconds until next time.

        Sessions are taken out one at a time, so that those who wait find the others.
        """
        patience = Deadline.after(_UPKEEP_PATIENCE)
        while not patience.passed and (found := self._needy()):
            pooled, reason = found
            if reason is None:
                try:
                    alive = self._alive(pooled, patience)
                except BaseException:
                    self._lose(pooled)
                    raise
                reason = None if alive else _reason_of_death(pooled.session)
            self._put_back(pooled, reason, patience)
        return self._next_upkeep()

    def __repr__(self) -> str:
        s = self.stats()
        state = "closed" if self._closed else "open"
        return (
            f"<SessionPool {self.name!r} {state}: {s.idle} idle, {s.in_use} in use, "
            f"{s.opening} opening of {s.max_size}, {s.waiting} waiting>"
        )

    # `session` is made of these two.

    def borrow(self, deadline: DeadlineSource, *, fresh: bool) -> Pooled:
        grant = self._claim(deadline, alone=fresh)
        if isinstance(grant, Shared):
            self._note_reuse(grant.pooled)
            return grant.pooled
        while isinstance(grant, Pooled):
            try:
                reason = self._unfit(grant, deadline)
            except BaseException:
                self._lose(grant)
                raise
            if fresh:
                # The relay may have left it too, and not be seen to have.
                reason = reason or CloseReason.RELAY
            if reason is None:
                self._note_reuse(grant)
                return grant
            grant.session.quit(NOT_AT_ALL)
            with self._lock:
                grant = self._seats.exchange(grant, reason)
        if grant is Word.CLOSED:
            raise _closed()
        return self._opened(deadline)

    def _claim(self, deadline: DeadlineSource, *, alone: bool) -> Grant:
        with self._lock:
            claimed = self._seats.claim(alone=alone)
        if claimed is None:
            detail = "too many already wait for a session"
            raise PoolSaturated(Phase.POOL, FailureReason.RATE, detail)
        return (
            self._await(claimed, deadline) if isinstance(claimed, Waiter) else claimed
        )

    def _await(self, waiter: Waiter, deadline: DeadlineSource) -> Grant:
        wait = Wait(self.settings.max_wait, deadline)
        try:
            while not waiter.granted.wait(wait.pause()) and wait.remaining() > 0:
                pass
        except BaseException:
            with self._lock:
                self._seats.take_back(self._seats.leave(waiter))
            raise
        with self._lock:
            grant = self._seats.leave(waiter)
            self._seats.counts.wait_timeouts += grant is None
        if grant is None:
            detail = "no session became free in time"
            raise PoolTimeout(Phase.POOL, wait.reason, detail)
        return grant

    def _unfit(self, pooled: Pooled, deadline: DeadlineSource) -> CloseReason | None:
        """Why an idle session is not to be lent, if so; may ask the relay."""
        now = self._now()
        reason = expired(pooled, now)
        if reason is None and not self._fit(pooled, deadline, now):
            reason = _reason_of_death(pooled.session)
        return reason

    def _fit(self, pooled: Pooled, deadline: DeadlineSource, now: float) -> bool:
        # A look costs nothing; a question, a round trip.
        if wants_noop(pooled, now, self.settings):
            patience = Deadline.after(_UPKEEP_PATIENCE)
            return self._alive(
                pooled, lambda: Deadline(min(deadline().at, patience.at))
            )
        return pooled.session.seems_alive()

    def _alive(self, pooled: Pooled, deadline: DeadlineSource) -> bool:
        if pooled.session.pending():
            return False
        try:
            pooled.session.noop(deadline)
        except SessionError:
            return False
        pooled.touched_at = self._now()
        return True

    def _note_reuse(self, pooled: Pooled) -> None:
        pooled.session.reused += 1
        with self._lock:
            self._seats.counts.reused += 1

    def _opened(self, deadline: DeadlineSource) -> Pooled:
        generation = self._seats.generation
        try:
            session = self._open(lambda: NOT_AT_ALL if self._closed else deadline())
        except BaseException:
            with self._lock:
                self._seats.opening_failed()
                self._note_quiet()
            if self._closed:
                raise _closed() from None
            raise
        pooled = admitted(session, generation, self._now(), self.settings)
        self._places_each = session.places
        if session.places > 1:
            session.on_room(lambda: self._note_room(pooled))
        with self._lock:
            self._seats.opened(pooled)
        if self._closed:
            self.give_back(pooled, None)
            raise _closed()
        return pooled

    def _note_room(self, pooled: Pooled) -> None:
        with self._lock:
            self._seats.settled(pooled, self._now())

    def _lose(self, pooled: Pooled) -> None:
        """Something of ours went wrong with *pooled*: its seat is not lost with it."""
        self._put_back(pooled, CloseReason.ERROR, NOT_AT_ALL)

    @property
    def _closed(self) -> bool:
        return self._seats.closed

    def give_back(self, pooled: Pooled, loan: object) -> None:
        now = self._now()
        if pooled.session.places > 1:
            with self._lock:
                if self._seats.shared_back(pooled, loan, now):
                    return
        pooled.touched_at = pooled.idle_since = now
        reason = worn_out(pooled, now)
        if not pooled.session.usable:
            reason = _reason_of_break(pooled.session)
        self._put_back(pooled, reason)

    def _put_back(
        self,
        pooled: Pooled,
        reason: CloseReason | None,
        patience: Deadline | None = None,
    ) -> None:
        """End the use of a session: back to the others, or closed for *reason*."""
        with self._lock:
            if reason is None and pooled.generation == self._seats.generation:
                self._seats.returned(pooled)
                self._note_quiet()
                return
            reason = reason or self._seats.drained_for
        pooled.session.quit(patience or Deadline.after(_UPKEEP_PATIENCE))
        # Only now is its seat free: the relay counts connections too.
        with self._lock:
            self._seats.gone(pooled, reason)
            self._note_quiet()

    def _note_quiet(self) -> None:
        # Only who closes the pool waits for that.
        if self._seats.closed:
            self._quiet.notify_all()

    def _drain(self, reason: CloseReason, patience: Deadline) -> None:
        with self._lock:
            drained = self._seats.drain(reason)
        for pooled in drained:
            self._put_back(pooled, reason, patience)

    def _needy(self) -> tuple[Pooled, CloseReason | None] | None:
        """Take out an idle session that is to be closed, or else kept alive."""
        now = self._now()
        with self._lock:
            for pooled in self._seats.idle:
                reason = expired(pooled, now)
                if reason or wants_heartbeat(pooled, now, self.settings):
                    self._seats.withdraw(pooled)
                    return pooled, reason
        return None

    def _next_upkeep(self) -> float:
        with self._lock:
            dues = [due_at(p, self.settings) for p in self._seats.idle]
        if not dues:
            return self.settings.heartbeat
        return max(0.0, min(dues) - self._now())


class _Loan(AbstractContextManager[Session]):
    """A session of *pool* for the length of a ``with`` block."""

    __slots__ = ("_deadline", "_fresh", "_loan", "_pool", "_pooled")

    def __init__(
        self, pool: SessionPool, deadline: DeadlineSource, *, fresh: bool
    ) -> None:
        self._pool = pool
        self._deadline = deadline
        self._fresh = fresh

    def __enter__(self) -> Session:
        self._pooled = pooled = self._pool.borrow(self._deadline, fresh=self._fresh)
        self._loan = pooled.unsettled
        return pooled.session

    def __exit__(self, *_failure: object) -> None:
        self._pool.give_back(self._pooled, self._loan)


def _reason_of_death(session: Session) -> CloseReason:
    return CloseReason.RELAY if session.left_by_relay else CloseReason.DEAD


def _reason_of_break(session: Session) -> CloseReason:
    return CloseReason.RELAY if session.left_by_relay else CloseReason.ERROR


def _closed() -> PoolClosed:
    detail = "the pool of sessions is closed"
    return PoolClosed(Phase.POOL, FailureReason.RELAY_UNAVAILABLE, detail)
