"""What a killed process of a fleet was doing is known to the others of its machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from postroom_server.delivery.taking_over import TakingOver
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.marks_folder import MarksFolder
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.store import PostgresOutbox

from tests.support.postgres import postgres

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("fleet_marks_child.py")
CLOCK = SystemClock()
PATIENCE = 60.0


@pytest.fixture
def url() -> str:
    return postgres().fresh()


@pytest.fixture
def child(url, tmp_path):
    with subprocess.Popen(
        [sys.executable, CHILD, url, str(tmp_path / "marks")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:
        yield child
        child.send_signal(signal.SIGCONT)
        child.kill()


@pytest.fixture
def join(url):
    """Opens the store, with the marks of a folder, and takes over what is left."""
    with ExitStack() as stack:

        def take_over(folder: Path) -> dict[str, str]:
            """Outcomes of both mails' attempts, once they are settled."""
            outbox = PostgresOutbox.open(Database(url), clock=CLOCK)
            stack.callback(outbox.close)
            marks = stack.enter_context(outbox.marks_in(MarksFolder(folder)))
            taking_over = TakingOver(
                outbox, CLOCK, lambda d: marks.was_marked(d.id, d.version)
            )
            taken, pause = 0, threading.Event()
            for _ in range(int(PATIENCE / 0.1)):
                taken += taking_over.run_once()
                if taken == len(NAMES):
                    break
                pause.wait(0.1)
            return {
                name: outbox.get("default", f"{number:032x}").attempts[0].outcome.name
                for number, name in enumerate(NAMES)
            }

        yield take_over


NAMES = ("before", "past")


def test_not_past_its_end_of_data_costs_nothing(child, join, tmp_path):
    for _ in NAMES:
        child.stdout.readline()
    child.kill()
    child.wait()

    assert join(tmp_path / "marks") == {"before": "LOST", "past": "UNCERTAIN"}


def test_on_another_machine_both_count_as_sent_perhaps(child, join, tmp_path):
    for _ in NAMES:
        child.stdout.readline()
    child.kill()
    child.wait()

    assert join(tmp_path / "elsewhere") == dict.fromkeys(NAMES, "UNCERTAIN")


def test_one_that_stands_still_is_not_believed(child, join, tmp_path):
    for _ in NAMES:
        child.stdout.readline()
    child.send_signal(signal.SIGSTOP)

    assert join(tmp_path / "marks") == dict.fromkeys(NAMES, "UNCERTAIN")
