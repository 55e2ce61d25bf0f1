"""One attempt under way: how it may still be broken off, and when no more.

The point of no return is the end of data.  Passing it and calling the attempt off
exclude each other under one lock, so that a caller who was told "broken off" never
finds the mail delivered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from postroom_server.delivery.signals import Latch
from postroom_server.smtp.timeouts import NO_DEADLINE, NOT_AT_ALL, Deadline


class Stage(Enum):
    """Where an attempt is, as far as breaking it off goes."""

    OPEN = "open"
    CALLED_OFF = "called off"
    PAST_END_OF_DATA = "past the end of data"
    OVER = "over"


# Each attempt asks a dozen times; a member by its class costs as much as a call.
_OPEN = Stage.OPEN
_CALLED_OFF = Stage.CALLED_OFF
_PAST_END_OF_DATA = Stage.PAST_END_OF_DATA
_OVER = Stage.OVER


class AttemptControl:
    """What the session asks before its end of data, and what may stop it.

    *limit* gives the deadline (monotonic) each time that it is asked for; *mark* makes
    the point of no return known to the next process, and may refuse.  *number* is the
    attempt's, among those of its delivery.  *recorded* opens when nothing more becomes
    of it: its end is stored, or can't be.
    """

    def __init__(
        self,
        limit: Callable[[], float | None],
        mark: Callable[[], bool],
        number: int = 0,
    ) -> None:
        self.number = number
        self._limit = limit
        self._mark = mark
        self._lock = threading.Lock()
        self._stage = _OPEN
        self._abort: Callable[[], None] | None = None
        self._cancelled = False
        self.recorded = Latch()

    @property
    def deadline(self) -> Deadline:
        """Until when the steps before the end of data may last, asked each time."""
        if self._stage is _CALLED_OFF:
            return NOT_AT_ALL
        limit = self._limit()
        return NO_DEADLINE if limit is None else Deadline(limit)

    def pass_end_of_data(self) -> bool:
        """Whether the end of data may be written; no way back after True."""
        with self._lock:
            if self._stage is not _OPEN:
                return False
            self._stage = _PAST_END_OF_DATA
        if self._mark():
            return True
        with self._lock:
            self._stage = _CALLED_OFF
        return False

    def take_back(self) -> bool:
        """The relay surely does not have it: whether it may be offered once more.

        It may not when nobody waits any more for mail that needs a caller.
        """
        with self._lock:
            if self._stage is _PAST_END_OF_DATA:
                self._stage = _OPEN
            self._abort = None
            still_open = self._stage is _OPEN
        return still_open and not self.deadline.passed

    def on_abort(self, callback: Callable[[], None]) -> None:
        """Have *callback* break off a blocked wait; at once if it is called off."""
        with self._lock:
            self._abort = callback
            called_off = self._stage is _CALLED_OFF
        if called_off:
            callback()

    def call_off(self, *, cancelled: bool = False) -> bool:
        """Break the attempt off; False when it is past its end of data, or over."""
        with self._lock:
            if self._stage is _PAST_END_OF_DATA or self._stage is _OVER:
                return False
            self._stage = _CALLED_OFF
            self._cancelled = self._cancelled or cancelled
            abort = self._abort
        if abort is not None:
            abort()
        return True

    def conclude(self) -> bool:
        """The attempt is over, and its outcome is decided now; whether cancelled."""
        with self._lock:
            self._stage = _OVER
            self._abort = None
            return self._cancelled

    @property
    def past_end_of_data(self) -> bool:
        """Whether the relay may have the mail already."""
        return self._stage is _PAST_END_OF_DATA


class UnderWay:
    """The attempts under way in this process, by delivery."""

    def __init__(self) -> None:
        # The bare lock: entering a condition costs some ten times as much.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._controls: dict[str, AttemptControl] = {}
        self._watched = 0
        self._calls_off = False

    def begin(self, delivery_id: str, control: AttemptControl) -> None:
        with self._lock:
            self._controls[delivery_id] = control
            if self._watched:
                self._changed.notify_all()
            called_off = self._calls_off
        if called_off:
            control.call_off()

    def end(self, delivery_id: str, control: AttemptControl) -> None:
        """The attempt of *control* is recorded; the next one may have begun already."""
        with self._lock:
            if self._controls.get(delivery_id) is control:
                del self._controls[delivery_id]
            if self._watched:
                self._changed.notify_all()

    def get(self, delivery_id: str) -> AttemptControl | None:
        with self._lock:
            return self._controls.get(delivery_id)

    def changed(self, seconds: float) -> None:
        """Wait until an attempt begins or ends, at most so long."""
        with self._watching():
            self._changed.wait(seconds)

    def call_off_all(self) -> None:
        """Break off whatever can still be broken off, and what may yet begin."""
        with self._lock:
            self._calls_off = True
            controls = list(self._controls.values())
        for control in controls:
            control.call_off()

    def wait_for_none(self, seconds: float) -> bool:
        """Wait until nothing is under way; False if something still is."""
        with self._watching():
            return self._changed.wait_for(lambda: not self._controls, seconds)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Be told of changes; to be told costs those who make them."""
        with self._lock:
            self._watched += 1
            try:
                yield
            finally:
                self._watched -= 1

    def __len__(self) -> int:
        with self._lock:
            return len(self._controls)
