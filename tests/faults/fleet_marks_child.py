"""A process of a fleet with two mails under way, one past its end of data.

    python fleet_marks_child.py URL FOLDER

Prints the id of the one that is not, then that of the one that is, and waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import structlog
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.outbox.marks_folder import MarksFolder
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.node import LeaseSettings
from postroom_server.outbox.postgres.store import PostgresOutbox, PostgresSettings

from tests.support.builders import DAY
from tests.support.outboxes import accept

SHORT = LeaseSettings(length=2.0, renewed_every=0.2, margin=0.5)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    outbox = PostgresOutbox.open(
        Database(sys.argv[1]),
        clock=SystemClock(),
        settings=PostgresSettings(lease=SHORT),
    )
    with outbox.marks_in(MarksFolder(Path(sys.argv[2]))) as marks:
        for number in range(2):
            now = SystemClock().now()
            delivery = accept(
                outbox,
                id=f"{number:032x}",
                leased=True,
                accepted_at=now,
                due_at=now,
                expire_at=Instant(now + DAY),
            )
            if number:
                marks.mark(delivery.id, delivery.version)
            sys.stdout.write(f"{delivery.id}\n")
            sys.stdout.flush()
        sys.stdin.read()


main()
