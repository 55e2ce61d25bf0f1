"""The threads that deliver: started as they are needed, each for many mails.

An executor makes a future for each piece of work, with a condition and two locks.
Nobody waits for ours: its end is recorded.

Of those that are free, the one that worked last works next: what it needs is in the
processor's caches still.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import structlog

Work = Callable[[], None]
"""What one of them is to do once."""

_log = structlog.get_logger(__name__)


class _Seat:
    """Where a thread without work waits to be called, and is given some."""

    __slots__ = ("call", "work")

    def __init__(self) -> None:
        self.work: Work | None = None
        self.call = threading.Lock()
        self.call.acquire()


class Crew:
    """At most *most* threads, named *name*_0 and so on."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._work: deque[Work] = deque()
        """What nobody is free for."""
        self._threads: list[threading.Thread] = []
        self._free: list[_Seat] = []
        self._closed = False

    def run(self, work: Work) -> None:
        """Have *work* done by the next thread that is free, in the order of calls.

        Raises `RuntimeError` after `close`, and where not one thread can be started.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the delivering threads have ended")
            if not self._free:
                self._work.append(work)
                if len(self._threads) < self._most:
                    self._hire_if_possible()
                return
            seat = self._free.pop()
            seat.work = work
        # Outside: it would wake to wait for the lock.
        seat.call.release()

    def close(self) -> None:
        """Take no more work, and wait until all that was taken is done."""
        with self._lock:
            self._closed = True
            threads, free = tuple(self._threads), tuple(self._free)
            self._free.clear()
        for seat in free:
            seat.call.release()
        for thread in threads:
            thread.join()

    def _hire_if_possible(self) -> None:
        """Raises only where there is nobody: else those who are there do it."""
        try:
            self._hire()
        except RuntimeError:
            if not self._threads:
                raise
            _log.exception("dispatch.no_thread", crew=self._name)

    def _hire(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._labour, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _labour(self) -> None:
        seat = _Seat()
        while (work := self._next(seat)) is not None:
            try:
                work()
            except BaseException:  # noqa: BLE001  the thread serves other mail as well
                _log.exception("dispatch.bug")
            # Nothing of a mail is kept until the next one comes.
            del work

    def _next(self, seat: _Seat) -> Work | None:
        """The next piece of work, once there is one; None: there is to be no more."""
        with self._lock:
            if self._work:
                return self._work.popleft()
            if self._closed:
                return None
            self._free.append(seat)
        seat.call.acquire()
        work, seat.work = seat.work, None
        return work
