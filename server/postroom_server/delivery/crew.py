"""The threads that deliver: started as they are needed, each for many mails.

An executor makes a future for each piece of work, with a condition and two locks.
Nobody waits for ours: its end is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

Work = Callable[[], None]

_log = structlog.get_logger(__name__)


class Crew:
    """At most *most* threads, named *name*_0 and so on."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def run(self, work: Work) -> None:
        """Have *work* done by the next thread that is free, in the order of calls.

        Raises `RuntimeError` after `close`, and where no thread can be started.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the delivering threads have ended")
            self._work.put(work)
            # Each idle one is counted for one piece of work, as it takes one.
            self._idle -= 1
            if self._idle < 0 and len(self._threads) < self._most:
                self._hire()

    def close(self) -> None:
        """Take no more work, and wait until all that was taken is done."""
        with self._lock:
            self._closed = True
            threads = tuple(self._threads)
        for _ in threads:
            self._work.put(None)
        for thread in threads:
            thread.join()

    def _hire(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._labour, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
        self._idle += 1

    def _labour(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException:  # noqa: BLE001  the thread serves other mail as well
                _log.exception("dispatch.bug")
            # Nothing of a mail is kept until the next one comes.
            del work
            with self._lock:
                self._idle += 1
