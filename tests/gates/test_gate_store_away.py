"""The shared store goes away under load: callers hear so soon, and it comes back.

What was accepted before, and whatever was told OK at any time, is delivered in the end.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import psycopg
import pytest
from postroom import Completion

from tests.gates.figures import figure
from tests.gates.fleet import Fleet
from tests.gates.load import Load
from tests.gates.sink import Sink
from tests.gates.verdict import wrong
from tests.support.postgres import Cluster, postgres
from tests.support.process import PAUSE
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

TOLD_WITHIN = 5.0 + figure(4.0, 1.0)
"""Seconds; a busy machine needs some to tell.  Who hears nothing waits for 10."""
BACK_WITHIN = figure(30.0, 10.0)
AWAY = figure(10, 60)
CALLERS = {Completion.ACCEPTED: 10, Completion.RELAYED_OR_QUEUED: 4}
"""Of each process: more than may read at once.  Who wants the second waits longer: its
mail may have been accepted before."""


class Callers(Load):
    """As `Load`, for one completion; *slowest* is the longest that a caller waited."""

    def __init__(
        self, target: str, completion: Completion, next_marker: Callable[[], str]
    ) -> None:
        kinds, count = (completion,), CALLERS[completion]
        super().__init__(target, kinds, next_marker, callers=count)
        self.completion = completion
        self.slowest = 0.0
        self.last_ok = 0.0

    def _send(self, completion: Completion) -> None:
        began, heard = time.monotonic(), len(self.answers)
        super()._send(completion)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if len(self.answers) > heard:
            self.last_ok = time.monotonic()
            # No more than is sent.
            PAUSE.wait(0.2)


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    """It crashes, and is started again."""
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """It stands still, and answers nothing."""
    processes = cluster.processes()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


class Town:
    """Two processes on one store, a relay, and callers; a context manager."""

    def __init__(self, folder: Path, url: str) -> None:
        self.sink = Sink(folder, ALL_EXTENSIONS)
        self._folder, self._url = folder, url
        self._numbers = itertools.count()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            port = stack.enter_context(self.sink).port
            self.fleet = stack.enter_context(Fleet(self._folder, port, 2, self._url))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def called(self) -> Iterator[list[Callers]]:
        """Under load in the block."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(Callers(target, completion, self._marker))
                for target in self.fleet.targets
                for completion in CALLERS
            ]

    def verdict(self, loads: list[Callers]) -> list[str]:
        accepted = {marker for load in loads for marker in load.answers}
        return wrong(self.fleet.targets[0], self.sink, accepted)

    def _marker(self) -> str:
        return f"m{next(self._numbers):08d}"


def slowest(loads: list[Callers]) -> float:
    """How long callers waited at most to hear whether their mail is accepted."""
    return max(one.slowest for one in accepting(loads))


def accepting(loads: list[Callers]) -> list[Callers]:
    return [one for one in loads if one.completion is Completion.ACCEPTED]


def codes(loads: list[Callers]) -> set[str]:
    return {error.code for load in loads for error in load.failed.values()}


@pytest.mark.parametrize("away", [stopped, frozen])
def test_a_store_that_goes_away_is_told_soon_and_comes_back_by_itself(tmp_path, away):
    cluster = postgres()
    with Town(tmp_path, cluster.fresh()) as town:
        with town.called() as loads:
            PAUSE.wait(1.0)
            with away(cluster):
                PAUSE.wait(AWAY)
            mended = time.monotonic()
            for load in accepting(loads):
                _until(lambda load=load: load.last_ok > mended, BACK_WITHIN)
            PAUSE.wait(1.0)
        found = town.verdict(loads)

    assert not found, "\n".join(found)
    assert codes(loads) - {"DEADLINE_EXCEEDED"} == {"UNAVAILABLE"}
    assert slowest(loads) < TOLD_WITHIN


def test_connections_that_are_cut_again_and_again_lose_nothing(tmp_path):
    cluster = postgres()
    with Town(tmp_path, cluster.fresh()) as town:
        with town.called() as loads, psycopg.connect(cluster.url) as other:
            other.autocommit = True
            for _ in range(figure(40, 2000)):
                PAUSE.wait(random.uniform(0, 0.2))
                cut_one(other)
        found = town.verdict(loads)

    assert not found, "\n".join(found)
    assert codes(loads) <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert slowest(loads) < TOLD_WITHIN
    assert sum(len(load.answers) for load in loads) > 20


def cut_one(other: psycopg.Connection) -> None:
    """End a connection of the service, whichever."""
    other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'postroom' ORDER BY random() LIMIT 1"
    )


def _until(told: Callable[[], bool], seconds: float) -> None:
    for _ in range(int(seconds / 0.05)):
        if told():
            return
        PAUSE.wait(0.05)
    raise AssertionError(f"not within {seconds} s")
