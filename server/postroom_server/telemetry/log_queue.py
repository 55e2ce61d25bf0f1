"""Between those who log and the standard error: a bounded queue and one thread.

Nobody who logs waits for a pipe that is not read or a disk that is slow.  When the
queue is full, lines are lost, counted, and the loss is told when there is room again.
A line stays in the queue for `PAUSE` at most, so that many share one write; what is in
it when the process is killed is lost.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TextIO

import structlog

from postroom_server.telemetry.series import Reading, counter, gauge, single

MOST_WAITING = 4 * 1_048_576
"""Characters; some 15,000 lines."""
PAUSE = 0.02
"""Seconds between two writes."""
LAST_WORDS = 2.0
"""Seconds that the last lines get at the end."""

WAITING = gauge("log_lines_waiting", "Lines that wait to be written.")
LOST = counter("log_lines_lost", "Lines that could not be written.")

_log = structlog.get_logger(__name__)


class LogQueue:
    """What `set_up_logs` writes to; a context manager, which starts and ends it.

    It writes to the descriptor of *stream*, not to the stream: a thread that is stuck
    in a stream holds a lock that the interpreter needs at its end.
    """

    def __init__(self, stream: TextIO, most_waiting: int = MOST_WAITING) -> None:
        self.lost = 0
        self._descriptor = stream.fileno()
        self._terminal = stream.isatty()
        self._most = most_waiting
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._size = 0
        self._told = 0
        self._came = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="postroom-log", daemon=True
        )

    @property
    def waiting(self) -> int:
        """How many lines wait to be written."""
        return len(self._lines)

    def series(self) -> Iterator[Reading]:
        """What waits, and what was lost."""
        yield single(WAITING, self.waiting)
        yield single(LOST, self.lost)

    def write(self, line: str) -> None:
        """Have *line* written soon; or lose it, where too much waits."""
        with self._lock:
            if self._size + len(line) > self._most or self._closing.is_set():
                self.lost += 1
                return
            self._lines.append(line)
            self._size += len(line)
        if not self._came.is_set():
            self._came.set()

    def flush(self) -> None:
        """Nothing: the thread sees to it."""

    def isatty(self) -> bool:
        """Whether people read it."""
        return self._terminal

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what waits, for `LAST_WORDS` at most."""
        with self._lock:
            self._closing.set()
        self._came.set()
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while not (self._closing.is_set() and not self._lines):
            self._came.wait()
            self._came.clear()
            self._turn()
            self._closing.wait(PAUSE)

    def _turn(self) -> None:
        # Where nothing can be written, telling of it would be lost, and so on.
        if self._write_all():
            self._tell_losses()

    def _write_all(self) -> bool:
        """Whether what waited was written, or is lost."""
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
        rest = memoryview("".join(lines).encode("utf-8", "replace"))
        try:
            while rest:
                rest = rest[self._written(rest) :]
        except OSError:
            # Its reader is gone, or its disk is full.
            with self._lock:
                self.lost += len(lines)
            return False
        return True

    def _written(self, octets: memoryview) -> int:
        try:
            return os.write(self._descriptor, octets)
        except BlockingIOError:
            # Others have the same terminal or pipe, and may want it so.
            select.select((), (self._descriptor,), (), 1.0)
            return 0

    def _tell_losses(self) -> None:
        lost = self.lost - self._told
        if lost and not self._closing.is_set():
            self._told += lost
            _log.warning("log.lines_lost", lines=lost)
