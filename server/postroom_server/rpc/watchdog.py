"""Ends calls whose caller is silent: no body, half a body, an idle stream.

gRPC waits for a body in a worker thread and has no limit for it, so a caller that
sends headers alone would hold that thread for as long as it likes.  One thread looks
at all waits ten times a second; a timer per call costs more than the call.  There are
never more waits than worker threads, so looking at all of them is cheap, and so are
`watch` and `release`: they change a set in one step each, for which the interpreter's
own lock is enough.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from postroom_server.domain.clock import Clock

TICK = 0.1
"""Seconds between two looks."""
GRACE = 0.1
"""Seconds that a call has in any case, once it has a thread: a body that came while
the call was queued is read within that time."""


class Cancellable(Protocol):
    """The part of gRPC's context that the watchdog needs."""

    def cancel(self) -> object:
        """End the call."""


@dataclass(frozen=True, slots=True)
class Lane:
    """How long waits of one kind may last.

    *patience* seconds, or *pressed_patience* while *pressed* says that others wait
    for the threads that these waits hold.
    """

    patience: float
    pressed_patience: float
    pressed: Callable[[], bool]

    def allowed(self) -> float:
        """The longest wait allowed now, in seconds."""
        if self.pressed():
            return min(self.patience, self.pressed_patience)
        return self.patience


@dataclass(slots=True, eq=False)
class Wait:
    """One wait for a caller; *expired* tells that the watchdog ended it."""

    call: Cancellable
    lane: Lane
    since: float
    began: float
    expired: bool = False

    def overdue(self, now: float) -> bool:
        """Whether it has lasted too long: counted from the call's arrival."""
        return now >= max(self.since + self.lane.allowed(), self.began + GRACE)


class Watchdog:
    """All waits of a server, and the thread that ends those that last too long.

    *ended* counts the calls that it ended.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: set[Wait] = set()
        self.ended = 0
        self._some = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._look, name="postroom-rpc-watchdog", daemon=True
        )

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        self._some.set()
        if self._thread.is_alive():
            self._thread.join()

    def watch(self, call: Cancellable, lane: Lane, since: float | None = None) -> Wait:
        """Count a wait that began at monotonic *since*, or now; ends with `release`."""
        now = self._clock.monotonic()
        wait = Wait(call, lane, now if since is None else since, now)
        self._waits.add(wait)
        if not self._some.is_set():
            self._some.set()
        return wait

    def release(self, wait: Wait) -> None:
        """The caller spoke, or is gone."""
        self._waits.discard(wait)

    def sweep(self) -> None:
        """End what is overdue now."""
        now = self._clock.monotonic()
        self._some.clear()
        waits = tuple(self._waits)
        # Whoever comes from here on finds the event cleared, and sets it.
        if waits or self._closing.is_set():
            self._some.set()
        overdue = [wait for wait in waits if wait.overdue(now)]
        self._waits.difference_update(overdue)
        self.ended += len(overdue)
        for wait in overdue:
            wait.expired = True
            wait.call.cancel()

    def _look(self) -> None:
        while not self._closing.is_set():
            self._some.wait()
            self._closing.wait(TICK)
            self.sweep()
