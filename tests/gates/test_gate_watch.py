"""A watcher killed and resumed under load sees every event, in order per delivery.

The watcher is the command line in a process of its own, killed without warning; what
it had written is all that is known of where it was.  The oracle is the store.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from postroom import Client, Completion
from postroom_server.sandbox.relay import SandboxRelay

from tests.gates.figures import figure
from tests.gates.fleet import Fleet
from tests.gates.load import Load
from tests.support.postgres import postgres
from tests.support.process import PAUSE

pytestmark = [pytest.mark.gate, pytest.mark.timeout(900)]

KILLS = figure(4, 100)
MOST_READ = 60
"""Events that a watcher tells before it is killed, at most, once it has caught up.

Before, it reads what ended long ago; only at the end are there transactions that began
before the last one that it was told of, and have not ended.
"""
CALLERS = 6
"""Of each process, so that each is nearly always in a transaction."""


class Told:
    """What watchers told, one after the other."""

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        self.last: dict[str, int] = {}
        self.seen: set[tuple[str, int]] = set()
        self.wrong: list[dict[str, object]] = []

    def note(self, line: bytes) -> datetime:
        """Note the event of *line*; when it occurred."""
        event = json.loads(line)
        delivery, sequence = event["delivery"], event["sequence"]
        # Told again after a kill is right; ahead of one that was not told is not.
        if sequence > self.last.get(delivery, 0) + 1:
            self.wrong.append(event)
        self.last[delivery] = max(sequence, self.last.get(delivery, 0))
        self.seen.add((delivery, sequence))
        self.cursor = event["cursor"]
        return datetime.fromisoformat(event["occurred_at"])


@contextmanager
def watcher(target: str, cursor: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, going on from *cursor*; it is killed in the end."""
    program = [sys.executable, "-m", "postroom.cli", "--target", target]
    options = ["watch", "--json", "--follow-from", cursor]
    process = subprocess.Popen([*program, *options], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()


def read_until_killed(target: str, told: Told, count: int) -> None:
    """Note *count* events of those that occur from now on, and what is before them.

    Also those that the watcher still had written when it was killed.
    """
    began = datetime.now(UTC)
    with watcher(target, told.cursor) as process:
        while told.note(process.stdout.readline()) < began:
            pass
        for line in itertools.islice(process.stdout, count):
            told.note(line)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        for line in process.stdout:
            if line.endswith(b"\n"):
                told.note(line)


def stored(folder, url: str) -> list[tuple[str, int]]:
    """Every event of the store, in its order."""
    file = f"file:{folder}/p0/postroom.db?mode=ro"
    db = psycopg.connect(url) if url else sqlite3.connect(file, uri=True)
    order = "xid, seq" if url else "seq"
    query = f"SELECT delivery, sequence FROM event ORDER BY {order}"
    with closing(db):
        rows = db.execute(query).fetchall()
    return [(f"deliveries/{delivery}", sequence) for delivery, sequence in rows]


@pytest.mark.parametrize("size", [1, 2], ids=["file", "shared by two"])
def test_a_watcher_that_is_killed_again_and_again_misses_nothing(tmp_path, size):
    chance = random.Random(20)
    url = postgres().fresh() if size > 1 else ""
    with (
        SandboxRelay() as relay,
        Fleet(tmp_path, relay.port, size, url, POSTROOM_GATE_SLOW="0.2") as fleet,
        Client(fleet.targets[0]) as client,
    ):
        told = Told(client.pull_events().cursor)
        with loaded(fleet) as loads:
            for _ in range(KILLS):
                count = chance.randint(1, MOST_READ)
                read_until_killed(chance.choice(fleet.targets), told, count)
        assert ended(client)
        expected = stored(tmp_path, url)
        with watcher(fleet.targets[0], told.cursor) as process:
            while expected[-1] not in told.seen:
                told.note(process.stdout.readline())

    assert told.wrong == []
    assert told.seen == set(expected)
    assert sum(len(load.answers) for load in loads) > KILLS


@contextmanager
def loaded(fleet: Fleet) -> Iterator[list[Load]]:
    """Under load in the block, all of them."""
    numbers = itertools.count()
    kinds = (Completion.ACCEPTED, Completion.RELAYED)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Load(target, kinds, lambda: str(next(numbers)), callers=CALLERS)
            )
            for target in fleet.targets
        ]


def ended(client: Client) -> bool:
    """Whether nothing is queued or under way within some time."""
    for _ in range(3000):
        queue = client.stats().queue
        if not (queue.due or queue.retrying or queue.sending):
            return True
        PAUSE.wait(0.02)
    return False
