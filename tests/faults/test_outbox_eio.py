"""A flush that fails: nothing is acknowledged that is not there, and the reverse.

`strace` makes one flush of the disk fail in a process that dies (`kill -9`) as soon as
it has told its caller so; whatever the log then holds is what the next start finds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.sqlite import SqliteOutbox

from tests.support.tools import require_tool

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("outbox_child.py")
FULL = os.environ.get("POSTROOM_GATES") == "full"
FLUSHES = range(3, 200) if FULL else (1, 3, 4, 7)
"""Which flush of the committing thread fails; the second is that of the folder, which
SQLite does not look at."""


@pytest.fixture(scope="module")
def strace() -> str:
    path = require_tool("strace")
    probe = subprocess.run([path, "-qq", "true"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("this machine lets nobody trace")
    return path


def run_until_refused(strace: str, store: Path, flush: int) -> list[tuple[str, str]]:
    """What the process said whose flush number *flush* failed."""
    inject = f"inject=fdatasync,fsync:error=EIO:when={flush}"
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"]
    child = subprocess.run(
        [
            *command,
            "-e",
            inject,
            sys.executable,
            CHILD,
            store,
            "2",
            "200",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=50,
        check=False,
    )
    assert child.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}
    opened, *said = child.stdout.splitlines()
    assert opened == "open"
    return [(word, delivery) for word, delivery in map(str.split, said)]


@pytest.mark.parametrize("flush", FLUSHES)
def test_a_failed_flush_loses_nothing_and_leaves_nothing(strace, tmp_path, flush):
    store = tmp_path / "outbox.db"
    # Made before, so that the thread that opens it has nothing to flush.
    SqliteOutbox.open(store, clock=SystemClock()).close()
    said = run_until_refused(strace, store, flush)
    outbox = SqliteOutbox.open(store, clock=SystemClock())
    with closing(outbox):
        found = [outbox.get("default", i) for i in {i for _, i in said}]
    there = {delivery.id for delivery in found if delivery is not None}
    ended = {delivery.id for delivery in found if delivery and delivery.settled_at}

    assert {"no", "unsent"} & {word for word, _ in said}
    assert there == {i for word, i in said if word == "ok"}
    # One thread may be refused, and end them both, before the other could say "sent".
    assert ended >= {i for word, i in said if word == "sent"}
    assert not ended & {i for word, i in said if word == "unsent"}
