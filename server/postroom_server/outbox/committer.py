"""The one thread that writes, "postroom-committer": group commit.

A batch is whatever came while the batch before it was committed: no caller who stands
and waits is made to wait for company, and under load many share one flush of the disk.
What says that it can wait does so for a moment, as long as the processor is busy.

When the store is away, callers hear so at once, and the thread tries to get it back
after delays that grow, with jitter, up to `MOST_DELAY`.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import NotReady, StoreFull
from postroom_server.outbox.commit_counts import CommitCounts, CommitReading
from postroom_server.outbox.company import Busyness
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.telling import tell
from postroom_server.outbox.waiting import Line, LineSettings, Ticket
from postroom_server.outbox.work import Outcome, Work
from postroom_server.outbox.writer import Writer

T = TypeVar("T")

FIRST_DELAY = 0.1
MOST_DELAY = 3.0
"""Seconds until the store is tried again: the first, and the longest."""
IDLE_AFTER = 0.5
"""Seconds without work after which the log is moved into the database."""

_FOR_NOW = (NotReady, StoreFull)
_jitter = random.SystemRandom()


class Committer:
    """Runs work of many threads on one, in durable batches.

    *on_ready* hears when the store goes away (False) and when it is back.
    """

    def __init__(self, writer: Writer, clock: Clock, settings: LineSettings) -> None:
        self._writer = writer
        self._clock = clock
        self._line = Line(clock, settings, Busyness(clock).is_busy)
        self._counts = CommitCounts()
        self._delay = FIRST_DELAY
        self._next_try = 0.0
        self._dirty = False
        self._undoing: list[Work[Any]] = []
        self._told_ready = True
        self.on_ready: Callable[[bool], None] | None = None
        self._thread = threading.Thread(
            target=self._run, name="postroom-committer", daemon=True
        )
        self._thread.start()

    @property
    def is_away(self) -> bool:
        """Whether the store could not be reached when last tried."""
        return self._writer.is_away

    def reading(self) -> CommitReading:
        """How long the line is, and how the commits went so far."""
        return self._counts.reading(len(self._line))

    def run(self, work: Work[T], patience: float = math.inf) -> T:
        """The result of *work* once it is durable.  See `Line.stand` for errors."""
        return self._line.stand(work, patience)

    def begin(self, ticket: Ticket[Any], *, in_time: bool = False) -> None:
        """Have its work done, without a wait; raises as `run` at once, or later.

        *in_time*: with what is stored next, or when `begin_commit` says so.
        """
        self._line.join(ticket, in_time=in_time)

    def begin_commit(self) -> None:
        """Commit what was begun in time."""
        self._line.rouse()

    def withdraw(self, ticket: Ticket[Any]) -> None:
        """Wait for *ticket* no more; raises `NotReady` unless it has ended."""
        self._line.leave(ticket)

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._line.close()
        self._thread.join()
        self._writer.close()

    def _run(self) -> None:
        while (batch := self._line.take(self._pause())) is not None:
            try:
                self._turn(batch)
                self._tell_ready()
            except Exception:  # noqa: BLE001  the thread must outlive any defect
                tell("exception", "outbox.committer_defect")

    def _turn(self, batch: list[Ticket[Any]]) -> None:
        if self._writer.is_away:
            self._recover(waited=not batch)
        if batch:
            self._commit(batch)
        elif not self._writer.is_away:
            self._undo()
            self._dirty = self._writer.tidy()

    def _tell_ready(self) -> None:
        ready = not self._writer.is_away
        if self.on_ready is not None and ready is not self._told_ready:
            self._told_ready = ready
            self.on_ready(ready)

    def _pause(self) -> float | None:
        if self._writer.is_away:
            return self._delay
        return IDLE_AFTER if self._dirty or self._undoing else None

    def _commit(self, batch: list[Ticket[Any]]) -> None:
        began = self._clock.monotonic()
        try:
            outcomes = self._writer.commit([ticket.work for ticket in batch])
        except Exception:  # noqa: BLE001  no caller may wait for nothing
            tell("exception", "outbox.commit_defect", works=len(batch))
            outcomes = [Outcome(error=RowRefused("commit failed")) for _ in batch]
        self._counts.committed(len(batch), self._clock.monotonic() - began)
        self._undoing += self._line.end(batch, outcomes)
        for work, result in self._writer.doubtful():
            self._undoing += work.undone(result)
        self._undo()
        self._dirty = True

    def _undo(self) -> None:
        """Take back what was stored for callers who had gone."""
        if self._undoing and not self._writer.is_away:
            outcomes = self._writer.commit(self._undoing)
            tried = list(zip(self._undoing, outcomes, strict=True))
            # What is not stored for now is tried again: else mail would stay with us
            # as under way, and nobody would make the attempt.
            self._undoing = [w for w, o in tried if isinstance(o.error, _FOR_NOW)]
            taken_back = len(tried) - len(self._undoing)
            if taken_back:
                tell("warning", "outbox.taken_back", works=taken_back)

    def _recover(self, *, waited: bool) -> None:
        """Try to get the store back, if it is time; *waited*: the pause is over."""
        now = self._clock.monotonic()
        if not waited and now < self._next_try:
            return
        if self._writer.recover():
            tell("info", "outbox.back")
            self._delay = FIRST_DELAY
            self._undo()
        else:
            self._delay = min(2 * self._delay, MOST_DELAY) * _jitter.uniform(0.5, 1.0)
            self._next_try = now + self._delay
