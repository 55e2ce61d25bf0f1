"""A process that keeps to one core."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.supervision.cores import better_core, keep_to_one, used_ticks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can")
PATIENCE = 10.0


def cores_of(number: int | None) -> tuple[set[int], set[int]]:
    """Those of a thread that was told, and of a thread that it started."""

    def told() -> tuple[set[int], set[int]]:
        keep_to_one(number)
        with ThreadPoolExecutor(1) as started:
            theirs = started.submit(os.sched_getaffinity, 0).result(PATIENCE)
        return os.sched_getaffinity(0), theirs

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(told).result(PATIENCE)


@pytest.mark.parametrize("number", [None, 1, 2, 300])
def test_it_and_the_threads_that_it_starts_have_one_that_it_may_use(number):
    own, theirs = cores_of(number)

    assert len(own) == 1
    assert own == theirs
    assert own <= os.sched_getaffinity(0)


def test_processes_take_them_in_turn():
    cores = sorted(os.sched_getaffinity(0))

    taken = [cores_of(number)[0] for number in range(1, len(cores) + 2)]

    assert taken == [{core} for core in (*cores, cores[0])]


@pytest.mark.parametrize(
    ("shares", "own", "found"),
    [
        ({0: 1.0, 1: 0.1}, 1.0, None),
        ({0: 1.0, 1: 0.1}, 0.7, None),
        ({0: 1.0, 1: 0.1}, 0.5, 1),
        ({0: 1.0, 1: 0.4, 2: 0.0}, 0.2, 2),
        ({0: 1.0, 1: 0.6}, 0.3, None),
        ({1: 0.0}, 0.0, None),
    ],
    ids=["ours alone", "a little", "crowded", "the least", "no better", "not known"],
)
def test_it_moves_from_a_crowded_core_to_one_that_is_clearly_better(shares, own, found):
    assert better_core(0, shares, own) == found


def test_idle_and_waiting_are_not_used():
    text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 400 500 6 7 8 0 0\nintr 5 4\n"

    assert used_ticks(text) == {0: 1 + 2 + 3 + 6 + 7 + 8}


def test_all_threads_move():
    program = (
        "import os, threading\n"
        "from postroom_server.supervision.cores import move\n"
        "stay = threading.Event()\n"
        "thread = threading.Thread(target=stay.wait)\n"
        "thread.start()\n"
        "core = max(os.sched_getaffinity(0))\n"
        "move(core)\n"
        "print([os.sched_getaffinity(t) == {core} for t in (0, thread.native_id)])\n"
        "stay.set()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[True, True]"
