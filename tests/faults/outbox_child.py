"""A process that accepts mail until it is killed, and says what it was told.

    python outbox_child.py STORE THREADS [MOST]

With MOST it kills itself as soon as it was refused, or after so many deliveries.
Prints "open", then for each delivery "ok ID" when `accept` had returned and "no ID" when
it had raised, and for every second one "sent ID" or "unsent ID" when `save` had stored
its end or had raised; each line in one write.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.errors import PostroomError
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.sqlite import SqliteOutbox

from tests.support.builders import a_content, a_finish, a_new_delivery, a_request

CLOCK = SystemClock()


def say(*words: str) -> None:
    os.write(1, f"{' '.join(words)}\n".encode())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work(outbox: SqliteOutbox, most: int | None) -> None:
    for _ in itertools.count() if most is None else range(most):
        try:
            once(outbox)
        except Refused:
            if most is not None:
                break
    die()


class Refused(Exception):
    """The store did not take it."""


def once(outbox: SqliteOutbox) -> None:
    now = CLOCK.now()
    change = a_new_delivery(
        id=new_id(now), accepted_at=now, due_at=Instant(now), leased=True
    )
    delivery = change.after
    record = a_request(delivery, delivery.id)
    attempt("ok", "no", delivery.id, lambda: outbox.accept(change, a_content(), record))
    if int(delivery.id[-1], 16) % 2:
        finish = a_finish(delivery)
        attempt("sent", "unsent", delivery.id, lambda: outbox.save(finish))


def attempt(done: str, refused: str, delivery: str, call: Callable[[], object]) -> None:
    try:
        call()
    except PostroomError as error:
        say(refused, delivery)
        raise Refused from error
    say(done, delivery)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    outbox = SqliteOutbox.open(Path(sys.argv[1]), clock=CLOCK)
    say("open")
    most = int(sys.argv[3]) if len(sys.argv) > 3 else None
    for _ in range(int(sys.argv[2])):
        threading.Thread(target=work, args=(outbox, most)).start()


main()
