"""Hours of mail of all sizes: what the service holds of the machine stays the same.

With the full figures only; POSTROOM_SOAK_MINUTES says how long.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from dataclasses import dataclass

import psutil
import pytest
from postroom import Client, Completion, PostroomError, Status
from postroom_server.sandbox.relay import SandboxRelay

from tests.gates.figures import FULL
from tests.support.process import PAUSE, daemon, free_port
from tests.support.service import plain, settings

MINUTES = float(os.environ.get("POSTROOM_SOAK_MINUTES", "60"))
SAMPLE = 1.0
FLAP = 20
"""Samples between two spells in which the relay refuses everything for a while."""
CALLERS = 8
SIZES = (100, 2_000, 50_000, 1_000_000, 6_000_000)
WEIGHTS = (50, 30, 15, 4, 1)
GROWTH = 1.05
RETENTION = """
limits = { content_retention = 0.0, delivery_retention = 60.0, \
request_id_retention = 60.0 }
log = { level = "warning" }
"""

pytestmark = [
    pytest.mark.gate,
    pytest.mark.skipif(not FULL, reason="POSTROOM_GATES=full only"),
    pytest.mark.timeout(int(MINUTES * 60) + 600),
]


@dataclass(frozen=True)
class Sample:
    """What the service held at one moment."""

    memory: int
    files: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> Sample:
        return cls(process.memory_info().rss, process.num_fds(), process.num_threads())


class Callers:
    """Threads that send mail of all sizes; *wrong* is what should not have been."""

    def __init__(self, target: str) -> None:
        self.wrong: list[str] = []
        self.sent = 0
        self._client = Client(target)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"caller-{n}")
            for n in range(CALLERS)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            (size,) = random.choices(SIZES, WEIGHTS)
            completion = random.choice([Completion.RELAYED, Completion.ACCEPTED])
            try:
                result = self._client.send(
                    from_="me@example.com",
                    to="ada@example.com",
                    subject="x",
                    text="A line like many others.\n" * (size // 25),
                    completion=completion,
                )
            except PostroomError as error:
                self.wrong.append(f"{error.code}: {error}")
            else:
                self.sent += 1
                if result.is_final and result.status not in _FINE:
                    self.wrong.append(str(result))


_FINE = {Status.SUCCESS, Status.TEMP_FAILED}


def samples(process: psutil.Process, relay: SandboxRelay) -> list[Sample]:
    """One each second, while the relay is away now and then."""
    found: list[Sample] = []
    ends = time.monotonic() + MINUTES * 60
    while time.monotonic() < ends:
        PAUSE.wait(SAMPLE)
        # What the relay keeps is memory of ours.
        relay.clear()
        if len(found) % FLAP == FLAP - 1:
            relay.fail_next("MAIL", "421 4.3.2 back soon", times=20)
        found.append(Sample.of(process))
    return found


def grown(values: list[int]) -> float:
    """The last quarter's median as a multiple of the second quarter's."""
    quarter = len(values) // 4
    before = statistics.median(values[quarter : 2 * quarter])
    return statistics.median(values[-quarter:]) / before


def test_what_it_holds_of_the_machine_stays_the_same(tmp_path):
    with SandboxRelay() as relay:
        config = settings(tmp_path, {"main": plain(relay.port)}, RETENTION)
        with daemon(config, free_port()) as service, Callers(service.target) as callers:
            process = psutil.Process(service.process.pid)
            found = samples(process, relay)

    assert not callers.wrong, "\n".join(callers.wrong[:20])
    assert callers.sent
    assert grown([s.memory for s in found]) <= GROWTH
    assert grown([s.files for s in found]) <= GROWTH
    assert grown([s.threads for s in found]) <= GROWTH
