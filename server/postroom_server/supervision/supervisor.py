"""Starts the processes of a service, owns its signals, and starts again what dies.

- The first process starts alone: what is wrong with the configuration, the store or
  the port is said once, and ends the whole with that process's exit status.
- After that a process that ends by itself is started again, after a pause that grows
  with its deaths in a row; the others go on.
- SIGTERM or SIGINT asks all to leave in order; a second one ends all at once.
- Its own death, by whatever cause, ends the pipes of all, and they leave in order.

One thread does it all: it waits for signals, for words of the processes, and for the
next time that something is due, all at once.
"""

from __future__ import annotations

import os
import random
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from postroom_server.supervision.child import Child
from postroom_server.supervision.member import LEAVE, LEAVE_AT_ONCE, READY
from postroom_server.supervision.restarts import Restarts

STARTING = 120.0
"""Seconds until a process must take mail; its store may have to be brought up to date
first."""
AT_ONCE = 2.0
"""Seconds that processes get that were told to end at once."""
FATAL = frozenset({2, 3})
"""Exit statuses of a process that could not start, for a reason that it has told."""
CANNOT_START = 3
DID_NOT_END = 4
MOST_DEATHS = 5
"""Deaths in a row after which a service that has never run is given up."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How many processes, where, and how long (seconds) all of them may take to end."""

    processes: int
    address: str
    leaving: float


class Supervisor:
    """Looks after processes; *start* starts the one of a number, at a monotonic time.

    *signals* is a descriptor that can be read when a signal came.
    """

    def __init__(
        self, start: Callable[[int, float], Child], terms: Terms, signals: int
    ) -> None:
        self._start = start
        self._terms = terms
        self._signals = signals
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}
        self._restarts = {n: Restarts() for n in range(1, terms.processes + 1)}
        self._due: dict[int, float] = {1: 0.0}
        self._ends_at: float | None = None
        self._was_ready = False
        self._status = 0

    def run(self) -> int:
        """Until all have ended; the exit status of the service."""
        with self._selector as selector:
            selector.register(self._signals, selectors.EVENT_READ)
            while self._children or self._due:
                self._start_due()
                self._wait()
                self._end_late()
        return self._status

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [n for n, at in self._due.items() if at <= now]:
            del self._due[number]
            try:
                child = self._start(number, now)
            except OSError as error:
                self._not_started(number, error)
                continue
            self._children[child.status] = child
            self._selector.register(child.status, selectors.EVENT_READ)
            _log.info("process.started", process=number, pid=child.pid)

    def _not_started(self, number: int, error: OSError) -> None:
        """The system is short of something: that is no end of those that run."""
        if not self._was_ready and self._restarts[number].deaths >= MOST_DEATHS:
            raise error
        pause = self._start_again(number, 0.0)
        reason = error.strerror or type(error).__name__
        _log.error("process.not_started", process=number, error=reason, again_in=pause)

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._pause()):
            if key.fd == self._signals:
                self._obey(os.read(self._signals, 1))
            elif os.read(key.fd, 1) == READY:
                self._ready(self._children[key.fd])
            else:
                self._ended(self._children[key.fd])

    def _pause(self) -> float | None:
        """Seconds until something is due; None: nothing ever, but for news."""
        moments = list(self._due.values())
        if self._ends_at is not None:
            moments.append(self._ends_at)
        moments += [
            c.started_at + STARTING
            for c in self._children.values()
            if not (c.is_ready or c.is_killed)
        ]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _ready(self, child: Child) -> None:
        child.is_ready = True
        _log.info("process.ready", process=child.number)
        if not self._was_ready and self._ends_at is None:
            self._start_others()
        ready = sum(c.is_ready for c in self._children.values())
        if not self._was_ready and ready == self._terms.processes:
            self._was_ready = True
            _log.info("service.serving", processes=ready, address=self._terms.address)

    def _start_others(self) -> None:
        """The first takes mail, so that the others are worth a try."""
        running = {child.number for child in self._children.values()}
        for number in self._restarts.keys() - running - self._due.keys():
            self._due[number] = 0.0

    def _ended(self, child: Child) -> None:
        self._selector.unregister(child.status)
        del self._children[child.status]
        status = child.reap()
        if self._ends_at is not None:
            if status:
                self._status = self._status or DID_NOT_END
            return
        if not self._was_ready and self._gives_up(child, status):
            return
        ran = time.monotonic() - child.started_at
        pause = self._start_again(child.number, ran)
        _log.error("process.died", process=child.number, status=status, again_in=pause)

    def _start_again(self, number: int, ran: float) -> float:
        """Have it started once more; in how many seconds."""
        chance = random.random()  # noqa: S311  spreads work, keeps no secret
        pause = self._restarts[number].pause(ran, chance)
        self._due[number] = time.monotonic() + pause
        return pause

    def _gives_up(self, child: Child, status: int) -> bool:
        """Whether a service that has never run is not worth another try."""
        if status not in FATAL:
            if self._restarts[child.number].deaths < MOST_DEATHS:
                return False
            status = CANNOT_START
        self._status = status
        self._leave(LEAVE, self._terms.leaving)
        return True

    def _obey(self, signal_number: bytes) -> None:
        if not signal_number:
            return
        if self._ends_at is None:
            _log.info("service.leaving", processes=len(self._children))
            self._leave(LEAVE, self._terms.leaving)
        else:
            self._leave(LEAVE_AT_ONCE, AT_ONCE)

    def _leave(self, word: bytes, within: float) -> None:
        self._ends_at = time.monotonic() + within
        self._due.clear()
        for child in self._children.values():
            child.ask(word)

    def _end_late(self) -> None:
        """What did not start or end in its time ends now."""
        now = time.monotonic()
        for child in self._children.values():
            late = not child.is_ready and now >= child.started_at + STARTING
            late = late or (self._ends_at is not None and now >= self._ends_at)
            if late and not child.is_killed:
                _log.error("process.killed", process=child.number)
                child.kill()
        if self._ends_at is not None and now >= self._ends_at:
            # They are reaped when their pipes end.
            self._ends_at = now + AT_ONCE
