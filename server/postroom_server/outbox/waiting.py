"""Callers who wait for the one thread that writes, in the order they came.

A ticket is a caller's place in the line.  It ends in exactly one of three ways: its
caller gets the outcome, its caller withdraws it before its commit has begun, or its
caller has gone while the commit was under way; then whoever commits learns that
nobody heard the outcome, and can take back what was stored.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import NotReady, Overloaded
from postroom_server.outbox.telling import tell
from postroom_server.outbox.work import Outcome, Work

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """Bounds of the line and of one batch; durations in seconds.

    *most_waiting* and *longest_wait*: work that adds something is refused when so many
    wait, or the first of them for so long.  *patience*: how long a caller waits.

    *gathering*: how long patient work waits for company, and *company* how much of it
    is enough.
    """

    most_waiting: int = 4096
    longest_wait: float = 2.0
    patience: float = 30.0
    batch_works: int = 256
    batch_bytes: int = 4 * 1_048_576
    gathering: float = 0.002
    company: int = 16


class Place(Enum):
    """Where a ticket is."""

    WAITING = "waiting"
    BEGUN = "begun"
    ENDED = "ended"
    LEFT = "left"


class Haste(Enum):
    """Whether a piece of work waits for others to share its commit."""

    PATIENT = "it may wait a moment"
    NEUTRAL = "it goes as the others do"
    URGENT = "it waits for none, nor does what waits with it"


class Rest(Enum):
    """What the thread that commits waits for, if it does."""

    AWAKE = "nothing"
    IDLE = "work"
    GATHERING = "company for patient work"


class Ticket(Generic[T]):
    """One piece of work and its way through the line."""

    __slots__ = ("haste", "outcome", "place", "queued_at", "work")

    def __init__(self, work: Work[T], haste: Haste = Haste.URGENT) -> None:
        self.work = work
        self.haste = haste
        self.queued_at = 0.0
        self.place = Place.WAITING
        self.outcome: Outcome[T] | None = None

    def tell(self) -> None:
        """There is an outcome.

        Called once, by the thread that commits; never when its caller has left.
        """
        raise NotImplementedError

    def result(self) -> T:
        """What came of it, or its error, raised; there must be an outcome."""
        outcome = self.outcome
        assert outcome is not None
        if outcome.error is not None:
            raise outcome.error
        return outcome.result  # type: ignore[return-value]  # no error: a result


class Turn(Ticket[T]):
    """A ticket whose caller waits for its end, by a bare lock that is released once:
    that wakes a thread at a tenth of an Event's price.
    """

    __slots__ = ("signal",)

    def __init__(self, work: Work[T]) -> None:
        super().__init__(work)
        self.signal = threading.Lock()
        self.signal.acquire()

    def tell(self) -> None:
        self.signal.release()


def _nobody_gathers() -> bool:
    return False


class Line:
    """The waiting callers.  Its mutex guards the places of all tickets.

    *gathers* tells whether patient work is to wait for company now.
    """

    def __init__(
        self,
        clock: Clock,
        settings: LineSettings,
        gathers: Callable[[], bool] = _nobody_gathers,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._gathers = gathers
        self._mutex = threading.Lock()
        # Locked; whoever ends the rest unlocks it.  A Condition costs ten times that.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._waiting: deque[Ticket[Any]] = deque()
        self._rest = Rest.AWAKE
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def stand(self, work: Work[T], patience: float = math.inf) -> T:
        """The result of *work*, once it is durable; or its error, raised.

        Raises `Overloaded` if the line is too long and `NotReady` if it is closed, or
        if there is no outcome within the caller's *patience*, in seconds.
        """
        turn = Turn(work)
        self.join(turn)
        seconds = max(0.0, min(patience, self._settings.patience))
        if not turn.signal.acquire(timeout=seconds):
            self.leave(turn)
        return turn.result()

    def take(self, timeout: float | None) -> list[Ticket[Any]] | None:
        """The next batch; empty after *timeout* seconds; None: closed and empty."""
        with self._mutex:
            idle = not self._waiting and not self._closed
            if idle:
                self._rest = Rest.IDLE
        if idle:
            self._sleep(-1 if timeout is None else timeout)
        self._gather()
        with self._mutex:
            return self._batch_or_end()

    def end(
        self, tickets: Sequence[Ticket[Any]], outcomes: Sequence[Outcome[Any]]
    ) -> list[Work[Any]]:
        """Give callers their *outcomes*; what takes back those nobody waits for."""
        heard, unheard = [], []
        with self._mutex:
            for ticket, outcome in zip(tickets, outcomes, strict=True):
                if ticket.place is Place.LEFT:
                    unheard.append((ticket.work, outcome))
                else:
                    heard.append(ticket)
                ticket.place = Place.ENDED
                ticket.outcome = outcome
        for ticket in heard:
            try:
                ticket.tell()
            except Exception:  # noqa: BLE001  one must not keep the others from it
                tell("exception", "outbox.listener_failed")
        if not unheard:
            return []
        stored = ((work, o.result) for work, o in unheard if o.error is None)
        return [undo for work, result in stored for undo in work.undone(result)]

    def close(self) -> None:
        """Let nobody in any more."""
        with self._mutex:
            self._closed = True
            if self._rest is not Rest.AWAKE:
                self._end_rest()

    def join(self, ticket: Ticket[Any], *, in_time: bool = False) -> None:
        """Give *ticket* the last place; raises `Overloaded` or `NotReady` as `stand`.

        Its `tell` must not block.  *in_time*: no commit is begun for it until `rouse`,
        or until somebody else joins.
        """
        ticket.queued_at = now = self._clock.monotonic()
        with self._mutex:
            if self._closed:
                raise NotReady("the store is closed")
            if ticket.work.adds and self._is_long(now):
                raise Overloaded("too much mail waits for the disk")
            self._waiting.append(ticket)
            if self._rest is Rest.GATHERING:
                if not self._wants_company():
                    self._end_rest()
            elif not in_time:
                self._rouse()

    def rouse(self) -> None:
        """Have those who joined in time taken."""
        # Who has joined since it began to idle, sees it idle.
        if self._rest is Rest.IDLE:
            with self._mutex:
                self._rouse()

    def _gather(self) -> None:
        """Let others join, if those who wait have time for that."""
        with self._mutex:
            if self._closed or not self._wants_company() or not self._gathers():
                return
            self._rest = Rest.GATHERING
        self._sleep(self._settings.gathering)

    def _wants_company(self) -> bool:
        """Whether patient work waits, nothing urgent, and too little of it."""
        if len(self._waiting) >= self._settings.company:
            return False
        hastes = {ticket.haste for ticket in self._waiting}
        return Haste.PATIENT in hastes and Haste.URGENT not in hastes

    def _sleep(self, timeout: float) -> None:
        """Rest until somebody ends it, or *timeout* seconds are over (-1: never)."""
        if self._wake.acquire(timeout=timeout):
            return
        with self._mutex:
            if self._rest is Rest.AWAKE:
                # Somebody came just after the time was over.
                self._wake.acquire()
            self._rest = Rest.AWAKE

    def _rouse(self) -> None:
        if self._rest is Rest.IDLE and self._waiting:
            self._end_rest()

    def _end_rest(self) -> None:
        self._rest = Rest.AWAKE
        self._wake.release()

    def _is_long(self, now: float) -> bool:
        if not self._waiting:
            return False
        settings = self._settings
        oldest = now - self._waiting[0].queued_at
        return (
            len(self._waiting) >= settings.most_waiting
            or oldest > settings.longest_wait
        )

    def leave(self, ticket: Ticket[Any]) -> None:
        """Wait for *ticket* no more; raises `NotReady` unless it has ended."""
        with self._mutex:
            if ticket.place is Place.ENDED:
                return
            if ticket.place is Place.WAITING:
                self._waiting.remove(ticket)
                ticket.place = Place.LEFT
                raise NotReady("the store is too slow; nothing was stored")
            ticket.place = Place.LEFT
        raise NotReady("the store does not answer")

    def _batch_or_end(self) -> list[Ticket[Any]] | None:
        batch = self._batch()
        return None if self._closed and not batch else batch

    def _batch(self) -> list[Ticket[Any]]:
        batch: list[Ticket[Any]] = []
        room = self._settings.batch_bytes
        while self._waiting and len(batch) < self._settings.batch_works:
            room -= self._waiting[0].work.size
            if batch and room < 0:
                break
            ticket = self._waiting.popleft()
            ticket.place = Place.BEGUN
            batch.append(ticket)
        return batch
