"""A process of a fleet that accepts and claims until it is killed.

    python fleet_child.py URL THREADS accept|claim

Prints "open", then "ok ID" for each delivery that `accept` took, or "took ID" for each
that a claim began; each line in one write.
"""

from __future__ import annotations

import os
import sys
import threading

import structlog
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.store import PostgresOutbox

from tests.support.builders import DAY, a_content, a_new_delivery, a_request
from tests.support.outboxes import claim

CLOCK = SystemClock()


def say(*words: str) -> None:
    os.write(1, f"{' '.join(words)}\n".encode())


def accept(outbox: PostgresOutbox) -> None:
    while True:
        now = CLOCK.now()
        change = a_new_delivery(
            id=new_id(now),
            accepted_at=now,
            due_at=now,
            expire_at=Instant(now + DAY),
            leased=now % 2 == 0,
        )
        record = a_request(change.after, change.after.id)
        outbox.accept(change, a_content(), record)
        say("ok", change.after.id)


def take(outbox: PostgresOutbox) -> None:
    while found := claim(outbox, CLOCK.now(), limit=3):
        for delivery in found:
            say("took", delivery.id)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    outbox = PostgresOutbox.open(Database(sys.argv[1]), clock=CLOCK)
    say("open")
    sys.stdin.readline()
    does = {"accept": accept, "claim": take}[sys.argv[3]]
    threads = [
        threading.Thread(target=does, args=(outbox,)) for _ in range(int(sys.argv[2]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.close()


main()
