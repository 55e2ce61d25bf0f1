"""A process that keeps to one core."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.supervision.cores import keep_to_one

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
