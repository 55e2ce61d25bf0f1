"""Processes that share a database: killed at any moment, and claiming at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.store import PostgresOutbox

from tests.support.builders import a_content
from tests.support.outboxes import accept
from tests.support.postgres import postgres

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("fleet_child.py")
KILLS = 20 if os.environ.get("POSTROOM_GATES") == "full" else 2


@pytest.fixture(scope="module")
def url() -> str:
    return postgres().fresh()


def begin(url: str, threads: int, does: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, CHILD, url, str(threads), does],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def said(child: subprocess.Popen[str], kill_after: int | None = None) -> list[str]:
    """The ids that *child* told of, until its end; *kill_after* so many lines."""
    assert child.stdout is not None
    found = []
    with child:
        for count, line in enumerate(child.stdout, 1):
            if line.endswith("\n"):
                found.append(line.split()[1])
            if count == kill_after:
                child.send_signal(signal.SIGKILL)
    return found


def opened(url: str) -> PostgresOutbox:
    return PostgresOutbox.open(Database(url), clock=SystemClock())


def test_what_was_acknowledged_survives_the_death_of_any_process(url):
    rng = random.Random(9)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        children = [begin(url, 4, "accept") for _ in range(2)]
        for child in children:
            go(child)
        for child in children:
            acknowledged += said(child, rng.randrange(20, 200))

    with closing(opened(url)) as outbox:
        missing = [i for i in acknowledged if outbox.get("default", i) is None]
        empty = [i for i in acknowledged if outbox.content(i) != a_content()]
        accepted = outbox.counters().accepted

    assert len(acknowledged) >= KILLS * 40
    assert (missing, empty) == ([], [])
    assert accepted >= len(acknowledged)


def test_two_processes_with_four_threads_each_claim_no_row_twice():
    url = postgres().fresh()
    with closing(opened(url)) as outbox:
        now = SystemClock().now()
        day = 86_400_000_000
        wanted = [
            accept(outbox, accepted_at=now, due_at=now, expire_at=now + day).id
            for _ in range(300)
        ]
    children = [begin(url, 4, "claim") for _ in range(2)]
    for child in children:
        go(child)
    taken = Counter(i for child in children for i in said(child))

    assert taken == Counter(wanted)
