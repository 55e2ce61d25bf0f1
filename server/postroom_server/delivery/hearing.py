"""One thread that hears what happens to many things, and when the time of each is over.

What is told is done in the order in which it came; nothing of it may block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import structlog

from postroom_server.delivery.timetable import Timetable
from postroom_server.domain.clock import Clock

E = TypeVar("E", bound=Hashable)
Event = Callable[[], object]

LOOK = 0.1
"""Seconds between looks at what is not told of one by one."""
MOST_AT_ONCE = 64
"""Events that are heard before the time is asked for again."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duties(Generic[E]):
    """What there is to do.

    *overdue* is given each entry whose time has come.  *look* is called each `LOOK`
    seconds as long as there is something to look at, as *is_watched* says: to look for
    each thing when it comes would cost more than all else here.
    """

    overdue: Callable[[E], object]
    look: Callable[[], object]
    is_watched: Callable[[], bool]


class Hearing(Generic[E]):
    """The thread named *name*, and what it does; it alone calls `set` and `drop`."""

    def __init__(self, name: str, duties: Duties[E], clock: Clock) -> None:
        self._clock = clock
        self._does = duties
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._times: Timetable[E] = Timetable()
        self._looks = False
        self._look_at = 0.0
        self.tell: Callable[[Event], None] = self._events.put
        """Have an event heard; by any thread."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to hear."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; what it was told so far is heard."""
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def look_soon(self) -> None:
        """There is something to look at; by any thread."""
        if not self._looks:
            self._events.put(_nothing)

    def set(self, entry: E, at: float) -> None:
        """The time of *entry* is over then (monotonic)."""
        self._times.set(entry, at)

    def drop(self, entry: E) -> None:
        """Nothing is to happen at its time."""
        self._times.drop(entry)

    def _run(self) -> None:
        while self._heard(self._next()):
            for entry in list(self._times.due(self._clock.monotonic())):
                self._guarded(partial(self._does.overdue, entry))

    def _heard(self, event: Event | None) -> bool:
        """Hear *event*, and some of what was told besides; False: no more is to be."""
        heard = 0
        while event is not None:
            self._guarded(event)
            heard += 1
            if heard == MOST_AT_ONCE or self._events.empty():
                return True
            # Nobody else takes any.
            event = self._events.get()
        return False

    def _next(self) -> Event | None:
        try:
            return self._events.get(timeout=self._pause())
        except Empty:
            return _nothing

    def _pause(self) -> float | None:
        """How long to wait for an event."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK
            self._guarded(self._does.look)
        # In this order: who has something to look at asks last whether we look.
        self._looks = False
        wait = self._times.wait(now)
        if wait is None and not self._does.is_watched():
            return None
        self._looks = True
        return LOOK if wait is None else min(wait, LOOK)

    def _guarded(self, event: Event) -> None:
        try:
            event()
        except Exception:  # noqa: BLE001  all others wait for this thread
            _log.exception("posting.bug")


def _nothing() -> None:
    """Only time has passed."""
