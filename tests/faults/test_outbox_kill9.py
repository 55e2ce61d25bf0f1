"""What was acknowledged survives `kill -9`, at whatever moment it comes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.outbox.sqlite import SqliteOutbox

from tests.support.builders import a_content

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("outbox_child.py")
KILLS = 50 if os.environ.get("POSTROOM_GATES") == "full" else 5


def nothing_said() -> dict[str, set[str]]:
    return {word: set() for word in ("ok", "no", "sent", "unsent")}


def run_and_kill(store: Path, lines: int) -> dict[str, set[str]]:
    """Let a process accept until it has said so many *lines*; what it said."""
    child = subprocess.Popen(
        [sys.executable, CHILD, store, "8"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    said = nothing_said()
    with child, child.stdout:
        assert child.stdout.readline() == "open\n"
        for count, line in enumerate(child.stdout):
            if count == lines:
                child.send_signal(signal.SIGKILL)
            if line.endswith("\n"):
                word, delivery = line.split()
                said[word].add(delivery)
    assert child.returncode == -signal.SIGKILL
    return said


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> tuple[Path, dict[str, set[str]]]:
    """A store whose process was killed again and again, and all that was said."""
    store = tmp_path_factory.mktemp("kill9") / "outbox.db"
    said = nothing_said()
    rng = random.Random(9)
    for _ in range(KILLS):
        for word, ids in run_and_kill(store, rng.randrange(1, 300)).items():
            said[word] |= ids
    return store, said


def rows(store: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query).fetchall()


def test_every_acknowledged_delivery_is_there_whole(story):
    store, said = story
    outbox = SqliteOutbox.open(store, clock=SystemClock())
    with closing(outbox):
        missing = [i for i in said["ok"] if outbox.get("default", i) is None]
        empty = [i for i in said["ok"] if outbox.content(i) != a_content()]

    assert said["no"] | said["unsent"] == set()
    assert len(said["ok"]) > KILLS
    assert (missing, empty) == ([], [])


def test_every_recorded_end_is_there(story):
    store, said = story
    outbox = SqliteOutbox.open(store, clock=SystemClock())
    with closing(outbox):
        ends = {outbox.get("default", i).status for i in said["sent"]}

    assert ends == {DeliveryStatus.SUCCESS}


def test_what_was_under_way_is_told_at_the_next_start(story):
    store, said = story
    outbox = SqliteOutbox.open(store, clock=SystemClock())
    with closing(outbox):
        leased = {delivery.id for delivery in outbox.leased()}

    assert leased.isdisjoint(said["sent"])
    assert {i for i in said["ok"] if int(i[-1], 16) % 2 == 0} <= leased


def test_the_store_is_sound(story):
    store, _ = story

    assert rows(store, "PRAGMA integrity_check") == [("ok",)]


def test_events_count_from_one_without_gaps(story):
    store, _ = story
    broken = rows(
        store,
        "SELECT d.id FROM delivery AS d LEFT JOIN event AS e ON e.delivery = d.id "
        "GROUP BY d.id HAVING count(e.seq) <> d.sequence "
        "OR min(e.sequence) <> 1 OR max(e.sequence) <> d.sequence",
    )

    assert broken == []


@pytest.mark.parametrize(
    "table", ["content", "attempt", "event", "recipient", "request"]
)
def test_nothing_belongs_to_no_delivery(story, table):
    store, _ = story

    assert rows(
        store,
        f"SELECT count(*) FROM {table} WHERE delivery NOT IN (SELECT id FROM delivery)",
    ) == [(0,)]


def test_what_ended_has_its_attempt_and_what_did_not_has_none(story):
    store, _ = story
    broken = rows(
        store,
        "SELECT id FROM delivery WHERE (settled_at IS NOT NULL) "
        "<> coalesce(json_array_length(doc, '$.att'), 0)",
    )

    assert broken == []


def test_counts_are_those_of_the_deliveries(story):
    store, _ = story
    counted = dict(rows(store, "SELECT name, value FROM counter"))
    ((accepted, succeeded),) = rows(
        store, "SELECT count(*), count(settled_at) FROM delivery"
    )

    assert (counted["accepted"], counted["succeeded"]) == (accepted, succeeded)
