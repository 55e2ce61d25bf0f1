"""`kill -9` at any moment: nothing accepted is lost, and nothing goes twice unsaid.

The oracle is what the relay, which is not killed, has taken.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable

import pytest
from postroom import AttemptOutcome, Client, Completion, DeliveryView, Status
from postroom.results import Delivery

from tests.gates.figures import figure
from tests.gates.holding_relay import HoldingRelay
from tests.gates.load import Load
from tests.gates.oracle import expected_counters, told_counters
from tests.support.process import PAUSE, daemon, free_port
from tests.support.relays import ALL_EXTENSIONS
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, settings

pytestmark = pytest.mark.gate

POOL = 4
START = 10.0
DOTS = tuple(word for word in ALL_EXTENSIONS if word != "CHUNKING")
IN_CONTENT = "after DATA"
LONG = "A line like many others.\n" * 160_000
"""More than the buffers on the way hold: it can't be written while nobody reads."""
AT_THE_START = ("connected", "before GREETING", "before EHLO")
POINTS = {
    ALL_EXTENSIONS: (
        *(*AT_THE_START, "before MAIL", "after MAIL"),
        *("before RCPT", "after RCPT", "before BODY", "after BODY"),
    ),
    DOTS: ("before MAIL", "after RCPT", "before DATA", IN_CONTENT, "before BODY"),
}
KEPT = (Completion.ACCEPTED, Completion.RELAYED_OR_QUEUED)
ALL = (*KEPT, Completion.RELAYED)


class Trial:
    """The service, killed again and again over one store."""

    def __init__(self, folder, extensions) -> None:
        self.relay = HoldingRelay(extensions)
        self._link = ScriptedRelay(self.relay)
        self._folder = folder
        self._port = free_port()
        self._numbers = itertools.count()
        self.accepted: set[str] = set()
        self.open_when_killed = 0

    def __enter__(self):
        self._link.__enter__()
        keys = plain(self._link.port, pool_size=POOL)
        self.config = settings(self._folder, {"main": keys})
        return self

    def __exit__(self, *raised):
        self.relay.go_on()
        self._link.__exit__(*raised)

    def kill(self, moment: Callable[[Load], None], text: str = "x") -> None:
        """Start the service, put it under load, and kill it at *moment*."""
        began = time.monotonic()
        with daemon(self.config, self._port) as victim:
            assert time.monotonic() - began < START
            with Load(victim.target, ALL, self._marker, text=text) as load:
                moment(load)
                victim.kill()
                self.relay.go_on()
        self.open_when_killed += POOL
        for marker, told in load.answers.items():
            if told.ok and told.status is not Status.SENDING:
                self.accepted.add(marker)

    def kill_at(self, point: str) -> None:
        """Kill it when the relay has come to *point*."""
        rare = point in AT_THE_START or point == IN_CONTENT
        self.relay.hold_at(point, random.randrange(2 if rare else 30))
        text = LONG if point == IN_CONTENT else "x"

        def moment(_load: Load) -> None:
            assert self.relay.reached.wait(20), f"never came to {point}"

        self.kill(moment, text)

    def verdict(self) -> list[str]:
        """What was lost or told wrong, after a last start."""
        with daemon(self.config, self._port) as last, Client(last.target) as client:
            deliveries = finished(client)
            told = told_counters(client.stats())["ALL"]
        taken = self.relay.counted()
        by_marker = {d.subject: d for d in deliveries}
        wrong = [f"{m} was forgotten" for m in self.accepted - by_marker.keys()]
        wrong += [f"{m} is unknown" for m in taken.keys() - by_marker.keys()]
        for marker, delivery in by_marker.items():
            wrong += [f"{marker} {w}" for w in mistakes(delivery, taken[marker])]
        doubles = sum(n - 1 for n in taken.values() if n > 1)
        if doubles > self.open_when_killed:
            wrong.append(f"{doubles} doubles")
        expected = expected_counters(d.result for d in deliveries)
        if told != expected:
            wrong.append(f"GetStats tells {told}, not {expected}")
        return wrong

    def _marker(self) -> str:
        return f"m{next(self._numbers):08d}"


def mistakes(delivery: Delivery, taken: int) -> list[str]:
    """What is wrong with a delivery that the relay took *taken* times."""
    result = delivery.result
    found = []
    if result.status is Status.SUCCESS and not taken:
        found.append("is told delivered, and was lost")
    if taken and result.status is not Status.SUCCESS and not doubtful(delivery):
        found.append(f"was taken, and is told {result.status}")
    if taken > 1 and not doubtful(delivery):
        found.append(f"came {taken} times, unsaid")
    settled = result.status is Status.SUCCESS or doubtful(delivery)
    if delivery.completion in KEPT and not settled and not set_aside(delivery):
        found.append(f"was accepted, and is {result.status}")
    return found


def set_aside(delivery: Delivery) -> bool:
    """Whether the service died so often while it sent this mail that it gave up."""
    result = delivery.result
    lost = sum(a.outcome is AttemptOutcome.LOST for a in result.attempts)
    return result.status is Status.FAILED and lost >= 3


def doubtful(delivery: Delivery) -> bool:
    attempts = delivery.result.attempts
    return any(a.outcome is AttemptOutcome.UNCERTAIN for a in attempts)


def finished(client: Client) -> list[Delivery]:
    """All deliveries, when nothing more is due."""
    for _ in range(1200):
        open_ones = client.list(
            statuses=[Status.QUEUED, Status.SENDING, Status.RETRY],
            view=DeliveryView.FULL,
        )
        if all(d.result.status is Status.RETRY and doubtful(d) for d in open_ones):
            return list(client.list(view=DeliveryView.FULL))
        PAUSE.wait(0.05)
    raise AssertionError("never finished")


@pytest.mark.parametrize("extensions", POINTS, ids=["chunking", "dots"])
def test_killed_at_each_step_it_loses_nothing_and_hides_nothing(tmp_path, extensions):
    with Trial(tmp_path, extensions) as trial:
        for _ in range(figure(1, 20)):
            for point in POINTS[extensions]:
                trial.kill_at(point)
        wrong = trial.verdict()

    assert not wrong, "\n".join(wrong)
    assert trial.accepted


@pytest.mark.parametrize("extensions", POINTS, ids=["chunking", "dots"])
def test_killed_at_any_time_it_loses_nothing_and_hides_nothing(tmp_path, extensions):
    cycles = figure(6, 360)
    with Trial(tmp_path, extensions) as trial:
        for _ in range(cycles):
            trial.kill(lambda _load: PAUSE.wait(random.uniform(0, 0.5)))
        wrong = trial.verdict()

    assert not wrong, "\n".join(wrong)
    assert trial.accepted
