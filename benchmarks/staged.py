"""`postroomd` that measures where the processor time of a mail goes; for `stages`.

    STAGES_FILE=F python -m benchmarks.staged --config FILE

Each stage is a few functions; its own time, of whichever thread, is theirs without that
of the stages they call.  Measured from `FIRST` mails on, and written to the file after
each `EACH` more.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postroom_server.__main__ import main

FIRST, EACH = 300, 100
RPC, REST = "gRPC, in Python: reading, metadata, answer", "gRPC itself, and the rest"
STAGES = {
    RPC: ("rpc.adapter:UnaryAdapter.__call__",),
    "converting the request and the result": (
        "rpc.convert.requests:submission",
        "rpc.convert.results:result_fields",
    ),
    "validating": ("domain.validation:check_message",),
    "composing": ("mail.composer:compose",),
    "planning, starting, waiting": ("delivery.engine:DeliveryEngine.send",),
    "outbox: its thread, rows and commits": ("outbox.committer:Committer._commit",),
    "outbox: telling what is stored": ("outbox.waiting:Line.end",),
    "outbox: at its door": (
        "outbox.committer:Committer.run",
        "outbox.committer:Committer.begin",
    ),
    "log and meters": (
        "delivery.journal:tell",
        "delivery.observing:Observer.stored",
        "delivery.observing:Observer.attempted",
        "rpc.access_log:log_call",
    ),
    "the attempt: lease, session, verdict": ("delivery.worker:Worker.attempt",),
    "the SMTP dialogue": ("smtp.session:Session.transact",),
}


class Times:
    """Processor time of each stage, summed over the threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mine = threading.local()
        self._all: list[Counter[str]] = []
        self._mails = 0
        self._before: Counter[str] = Counter()

    def of(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """*function*, whose time counts for *stage*."""

        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            mine = self._of_thread()
            outer, self._mine.inner = self._mine.inner, 0.0
            began = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                took = time.thread_time() - began
                mine[stage] += took - self._mine.inner
                self._mine.inner = outer + took
                if stage == RPC:
                    self._count()

        return timed

    def _of_thread(self) -> Counter[str]:
        if not hasattr(self._mine, "spent"):
            self._mine.spent, self._mine.inner = Counter(), 0.0
            self._all.append(self._mine.spent)
        return self._mine.spent

    def _count(self) -> None:
        self._mails += 1
        if self._mails == FIRST:
            self._before = self._now()
        elif self._mails > FIRST and self._mails % EACH == 0:
            spent = self._now()
            spent.subtract(self._before)
            each = {k: v / (self._mails - FIRST) * 1e6 for k, v in spent.items()}
            each[REST] = each.pop("all") - sum(
                v for k, v in each.items() if k in STAGES
            )
            self._file.write_text(json.dumps(each))

    def _now(self) -> Counter[str]:
        every = sum((Counter(one) for one in list(self._all)), Counter())
        every["all"] = time.process_time()
        return every


def found(place: str) -> tuple[Any, str]:
    """The class or module that has what is at *place* (module:path), and its name."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(f"postroom_server.{module}")
    *parts, name = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    return owner, name


def put(place: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Wrap what is at *place*, wherever it was imported."""
    owner, name = found(place)
    plain = getattr(owner, name)
    wrapped = wrap(plain)
    if isinstance(owner, type):
        setattr(owner, name, wrapped)
        return
    for known in [m for n, m in sys.modules.items() if n.startswith("postroom_server")]:
        for attribute, value in list(vars(known).items()):
            if value is plain:
                setattr(known, attribute, wrapped)


if __name__ == "__main__":
    times = Times(Path(os.environ["STAGES_FILE"]))
    for stage, places in STAGES.items():
        for place in places:
            put(place, functools.partial(times.of, stage))
    main()
