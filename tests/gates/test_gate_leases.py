"""A process that stands still past its lease sends nothing of what it had any more.

What it had not sent goes once, from another process; what it may have sent is told as
uncertain.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from postroom import Client, Completion

from tests.gates.figures import figure
from tests.gates.fleet import POOL, Fleet
from tests.gates.hurried import LEASE
from tests.gates.load import Load
from tests.gates.sink import Sink
from tests.gates.verdict import doubles, wrong
from tests.support.postgres import postgres
from tests.support.process import PAUSE, Daemon
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

LENGTH = LEASE["length"]
STEP_BY_STEP = ("SIZE 10485760", "8BITMIME")
"""What a relay offers that is told each command by itself."""
ALL = (Completion.ACCEPTED, Completion.RELAYED_OR_QUEUED, Completion.RELAYED)
PATIENCE = 60.0
SIZE = 3


def until(told: Callable[[], bool], what: str) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        if told():
            return
        PAUSE.wait(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


def logged(one: Daemon, event: str) -> list[dict]:
    """The lines of that event in its log so far."""
    lines = [line for line in list(one.log) if event.encode() in line]
    return [told for told in map(json.loads, lines) if told["event"] == event]


class Ward:
    """Processes on one store, and mail that is held before its content."""

    def __init__(self, sink: Sink, fleet: Fleet) -> None:
        self.sink, self.fleet = sink, fleet
        self.markers: list[str] = []
        self.frozen_with = 0

    def freeze_once(self) -> None:
        """Freeze one past its lease with mails before their ends of data."""
        self.sink.hold_all_at("before DATA")
        with Client(random.choice(self.fleet.targets)) as client:
            for _ in range(SIZE * POOL):
                self._accept(client)
        until(lambda: len(self.sink.held) == SIZE * POOL, "all mails are held")
        victim = self.fleet.at(random.choice(self.sink.held))
        held = sum(self.fleet.at(port) == victim for port in self.sink.held)
        self.frozen_with += held
        taken_over = self._taken_over() + held
        self.fleet.freeze(victim)
        until(lambda: self._taken_over() >= taken_over, "others took over")
        self.sink.go_on()
        # What the others took over they send, before the one that froze or after it.
        PAUSE.wait(random.uniform(0, 2))
        self.fleet.thaw(victim)
        until(lambda: self._refused() >= self.frozen_with, "the frozen one asked")
        # A mail that is uncertain for the second time stays so: none may meet two.
        until(self._all_came, "all mails came")

    def _accept(self, client: Client) -> None:
        self.markers.append(f"m{len(self.markers):06d}")
        client.send(
            from_="me@example.com",
            to="ada@example.com",
            subject=self.markers[-1],
            text="x",
            completion=Completion.ACCEPTED,
        )

    def _all_came(self) -> bool:
        return self.sink.counted().keys() >= set(self.markers)

    def _taken_over(self) -> int:
        return sum(
            told["uncertain"]
            for one in self.fleet.daemons
            for told in logged(one, "delivery.taken_over")
        )

    def _refused(self) -> int:
        return sum(
            len(logged(one, "delivery.lease_lost")) for one in self.fleet.daemons
        )


def test_who_lost_its_lease_before_the_end_of_data_does_not_write_it(tmp_path):
    with (
        Sink(tmp_path, STEP_BY_STEP) as sink,
        Fleet(tmp_path, sink.port, SIZE, postgres().fresh()) as fleet,
    ):
        ward = Ward(sink, fleet)
        for _ in range(figure(2, 60)):
            ward.freeze_once()
        found = wrong(fleet.targets[0], sink, ward.markers)

    assert not found, "\n".join(found)
    assert sink.counted() == dict.fromkeys(ward.markers, 1)
    assert ward.frozen_with


def test_frozen_at_any_time_it_hides_no_double(tmp_path):
    numbers = itertools.count()
    frozen = [0.1, 0.8 * LENGTH, LENGTH - LEASE["margin"], 1.1 * LENGTH, 2 * LENGTH]
    rounds = figure(4, 200)
    with (
        Sink(tmp_path, ALL_EXTENSIONS) as sink,
        Fleet(tmp_path, sink.port, SIZE, postgres().fresh()) as fleet,
        ExitStack() as stack,
    ):
        loads = [
            stack.enter_context(
                Load(target, ALL, lambda: f"m{next(numbers):08d}", callers=2)
            )
            for target in fleet.targets
        ]
        for _ in range(rounds):
            PAUSE.wait(random.uniform(0, 1))
            victim = random.randrange(SIZE)
            fleet.freeze(victim)
            PAUSE.wait(random.choice(frozen))
            fleet.thaw(victim)
        stack.close()
        accepted = {marker for load in loads for marker in load.answers}
        found = wrong(fleet.targets[0], sink, accepted)
        twice = doubles(sink.counted())

    assert not found, "\n".join(found)
    assert twice <= rounds * POOL
    assert len(accepted) > rounds
