"""`postroomd` with short times, a clock that jumps, and points at which it dies.

    python -m tests.gates.hurried --config FILE

What takes half a minute elsewhere takes seconds here: a lease that ends, the look at
what others left, the second try of a mail that may have been taken.  The environment
says more:

POSTROOM_GATE_DEATH: a FIFO; told "PASSES POINT", it kills itself when it comes to that
point after so many others; see `POINTS`.
POSTROOM_GATE_SLOW: up to so many seconds pass between what a transaction writes and its
commit, so that those of several processes overlap.
POSTROOM_GATE_LEASE: how long a lease is, where none is to end.
POSTROOM_GATE_CLOCK: a file that holds the seconds by which the wall clock is ahead.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postroom_server.__main__ import main
from postroom_server.delivery import decision, recovery, taking_over
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.claims import Claim
from postroom_server.outbox.marks import Marks
from postroom_server.outbox.postgres.node import LeaseSettings
from postroom_server.outbox.postgres.writer import PostgresWriter
from postroom_server.outbox.sqlite_writer import SqliteWriter
from postroom_server.outbox.work import Work
from postroom_server.outbox.works import Accept, Save
from postroom_server.outbox.writer import Writer

LEASE = {"length": 3.0, "renewed_every": 0.5, "margin": 0.5}
AGAIN_AFTER = 1.0
LOOKS_EVERY = 0.5

WORKS = {Accept: "acceptance", Claim: "claim", Save: "outcome"}
POINTS = (
    *(f"{word} to be stored" for word in WORKS.values()),
    *(f"{word} written" for word in WORKS.values()),
    *(f"{word} stored" for word in WORKS.values()),
    *("to be marked", "marked", "mark to be cleared", "mark cleared"),
)


class _Death:
    """Comes at one point, after some passes, as *fifo* tells."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo
        self._point, self._passes = "", 0
        self._mutex = threading.Lock()
        threading.Thread(target=self._hear, name="gate-death", daemon=True).start()

    def _hear(self) -> None:
        while True:
            for line in self._fifo.read_text().splitlines():
                passes, _, point = line.partition(" ")
                with self._mutex:
                    self._point, self._passes = point, int(passes)

    def at(self, point: str) -> None:
        with self._mutex:
            if point != self._point:
                return
            self._passes -= 1
            if self._passes < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def at_works(self, works: list[Work[Any]], word: str) -> None:
        for kind in {type(work) for work in works} & WORKS.keys():
            self.at(f"{WORKS[kind]} {word}")


def hurry() -> None:
    """Make times short that no setting makes so short."""
    length = float(os.environ.get("POSTROOM_GATE_LEASE", LEASE["length"]))
    LeaseSettings.__init__.__kwdefaults__.update({**LEASE, "length": length})
    taking_over.PAUSE = LOOKS_EVERY
    recovery.UNCERTAIN_DELAY = AGAIN_AFTER
    decision.UNCERTAIN_DELAY = AGAIN_AFTER


def mortal(death: _Death) -> None:
    """Let *death* see each point."""
    commit = Writer.commit

    def committed(self: Writer, works: Any) -> Any:
        death.at_works(works, "to be stored")
        outcomes = commit(self, works)
        death.at_works(works, "stored")
        return outcomes

    Writer.commit = committed
    for kind in (SqliteWriter, PostgresWriter):
        kind._together = _with_death(kind._together, death)
    Marks.mark = _between(Marks.mark, death, "to be marked", "marked")
    Marks.clear = _between(Marks.clear, death, "mark to be cleared", "mark cleared")


def _with_death(together: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    def written(self: Writer, works: Any) -> Any:
        outcomes = together(self, works)
        death.at_works(works, "written")
        return outcomes

    return written


def _between(
    call: Callable[..., Any], death: _Death, before: str, behind: str
) -> Callable[..., Any]:
    def watched(*args: Any) -> Any:
        death.at(before)
        result = call(*args)
        death.at(behind)
        return result

    return watched


def slow(seconds: float) -> None:
    """Transactions stay open for a while."""
    for kind in (SqliteWriter, PostgresWriter):
        kind._together = _with_pause(kind._together, seconds)


def _with_pause(together: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    def written(self: Writer, works: Any) -> Any:
        outcomes = together(self, works)
        threading.Event().wait(random.uniform(0, seconds))
        return outcomes

    return written


def jumping(file: Path) -> None:
    """The wall clock is ahead by what *file* says."""

    def now(_self: SystemClock) -> int:
        ahead = float(file.read_text() or 0)
        return time.time_ns() // 1000 + round(ahead * 1_000_000)

    SystemClock.now = now


if __name__ == "__main__":
    hurry()
    if "POSTROOM_GATE_DEATH" in os.environ:
        mortal(_Death(Path(os.environ["POSTROOM_GATE_DEATH"])))
    if "POSTROOM_GATE_SLOW" in os.environ:
        slow(float(os.environ["POSTROOM_GATE_SLOW"]))
    if "POSTROOM_GATE_CLOCK" in os.environ:
        jumping(Path(os.environ["POSTROOM_GATE_CLOCK"]))
    main()
