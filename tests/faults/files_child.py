"""A process that takes octets, and is killed at a point of its way by itself.

    python files_child.py STORE POINT

POINT is "write", "fsync", "replace", "flush", "row" or "accept": it kills itself right
before that; "end": after all.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import structlog
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox import incoming
from postroom_server.outbox.sqlite import SqliteOutbox
from postroom_server.outbox.writer import Writer

from tests.support.blobs import bring, with_file
from tests.support.builders import a_new_delivery


def die(*_args: object, **_fields: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(store: Path, point: str) -> None:
    outbox = SqliteOutbox.open(store, clock=SystemClock())
    write = os.write
    match point:
        case "write":
            # Half of it is there already.
            incoming.os.write = lambda file, data: (write(file, data[:3]), die())
        case "fsync":
            incoming.os.fsync = die
        case "replace":
            Path.replace = die
        case "flush":
            incoming.flush_folder = die
    octets = bring(outbox.blobs)
    if point == "row":
        Writer.commit = die
    outbox.blobs.keep("default", octets)
    if point == "accept":
        Writer.commit = die
    outbox.accept(a_new_delivery(id="1" * 32), with_file(octets), None)
    die()


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
main(Path(sys.argv[1]), sys.argv[2])
