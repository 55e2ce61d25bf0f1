"""A wall clock that jumps: nothing goes early, what is overdue goes, leases stay.

The relay's record has the true time; the processes' clocks are ahead of it by what a
file says, which the gate changes.
"""

from __future__ import annotations

import itertools
import random
import time
from datetime import UTC, datetime

import pytest
from postroom import Client, Completion

from tests.gates.figures import figure
from tests.gates.fleet import Fleet
from tests.gates.sink import Sink
from tests.gates.verdict import finished, wrong
from tests.gates.watch import Watch
from tests.support.postgres import postgres
from tests.support.process import PAUSE
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

HOUR, DAY = 3600.0, 86_400.0
JUMPS = (HOUR, -HOUR, DAY, -DAY, -5.0)
OVERDUE_WITHIN = 30.0
EARLY = 1.0


class Scheduler:
    """Sends mail for later, and knows when each is due by the processes' clock."""

    def __init__(self, client: Client, watch: Watch) -> None:
        self._client, self._watch = client, watch
        self._numbers = itertools.count()
        self.due: dict[str, float] = {}

    def send(self, seconds: float) -> str:
        """Accept a mail that is due in so many seconds; its subject."""
        marker = f"m{next(self._numbers):06d}"
        self.due[marker] = self._watch.now() + seconds
        self._client.send(
            from_="me@example.com",
            to="ada@example.com",
            subject=marker,
            text="x",
            completion=Completion.ACCEPTED,
            send_at=datetime.fromtimestamp(self.due[marker], UTC),
            expire_at=datetime.fromtimestamp(self.due[marker] + 6 * DAY, UTC),
        )
        return marker


@pytest.mark.parametrize("size", [1, 2], ids=["file", "shared by two"])
def test_a_clock_that_jumps_sends_nothing_early_and_nothing_twice(tmp_path, size):
    watch = Watch(tmp_path / "ahead")
    url = postgres().fresh() if size > 1 else ""
    environment = {
        "POSTROOM_GATE_CLOCK": str(tmp_path / "ahead"),
        # Hours end it where they should not; a machine that is slow for a moment, never.
        "POSTROOM_GATE_LEASE": "60",
    }
    with (
        Sink(tmp_path, ALL_EXTENSIONS) as sink,
        Fleet(tmp_path, sink.port, size, url, **environment) as fleet,
        Client(fleet.targets[0]) as client,
    ):
        scheduler = Scheduler(client, watch)
        found = [
            fault
            for jump in JUMPS * figure(1, 50)
            for fault in after_jump(jump, scheduler, watch, sink)
        ]
        # What waits for a time that went away with a jump back is due by the last.
        watch.turn(3 * DAY)
        finished(client)
        found += wrong(fleet.targets[0], sink, scheduler.due)
        log = [line for one in fleet.daemons for line in one.log]

    assert not found, "\n".join(found)
    assert sink.counted() == dict.fromkeys(scheduler.due, 1)
    assert not any(b"outbox.lease_lost" in line for line in log)


def after_jump(
    jump: float, scheduler: Scheduler, watch: Watch, sink: Sink
) -> list[str]:
    """Jump with mail that is due before and after it; what then was wrong."""
    soon = scheduler.send(random.uniform(2, 4))
    passed = scheduler.send(jump / 2) if jump > 0 else soon
    later = scheduler.send(abs(jump) + HOUR)
    # On its way already, it goes on.
    was_due = scheduler.due[soon] <= watch.now() + EARLY
    watch.turn(jump)
    jumped_at = time.time()
    expected = {passed} if jump > 0 else set()
    for _ in range(int(OVERDUE_WITHIN / 0.1)):
        if expected <= sink.times().keys():
            break
        PAUSE.wait(0.1)
    PAUSE.wait(4)
    taken = sink.times()
    found = [f"{marker}: overdue after {jump}" for marker in expected - taken.keys()]
    if later in taken:
        found.append(f"{later}: hours early after {jump}")
    if not was_due and taken.get(soon, 0.0) > jumped_at:
        early = scheduler.due[soon] - watch.ahead - taken[soon]
        found += [f"{soon}: {early:.1f} s early after {jump}"] if early > EARLY else []
    return found
