"""SIGTERM under load: it ends in time and in order, nothing lost and nothing twice."""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from collections.abc import Iterable

import pytest
from postroom import Client, Completion, Health, PostroomError, Status

from tests.gates.figures import figure
from tests.gates.holding_relay import HoldingRelay
from tests.gates.load import Load
from tests.gates.oracle import expected_counters, told_counters
from tests.support.postgres import postgres
from tests.support.process import PAUSE, daemon, free_port
from tests.support.relays import ALL_EXTENSIONS
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, settings

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

GRACE = 30.0
DELAY = 1.0
"""Seconds between health's word and the first refusal."""
PROMPT = DELAY + 15.0
"""Seconds, well below the grace: every transaction here ends soon, and nobody waits
for what is not begun any more.  A quiet machine takes 1.5; a busy one must not be taken
for a service that waits."""
CYCLES = {"file": figure(20, 200), "shared": figure(6, 200)}
ALL = (Completion.ACCEPTED, Completion.RELAYED_OR_QUEUED, Completion.RELAYED)


class Watch:
    """Notes whether health said that the service is leaving.

    *serving_at* is when it was asked last and said that it serves: it flipped later.
    """

    def __init__(self, target: str) -> None:
        self.has_flipped = False
        self.serving_at = 0.0
        self._client = Client(target, max_attempts=1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.wait(0.005) and not self.has_flipped:
            asked_at = time.monotonic()
            try:
                word = self._client.health("postroom.v1.DeliveryService", timeout=20)
            except PostroomError:
                return
            if word is Health.SERVING:
                self.serving_at = asked_at
            else:
                self.has_flipped = True


def faults(load: Load, watch: Watch) -> list[str]:
    """What callers should not have met."""
    if not watch.has_flipped:
        return ["health never flipped"]
    found = [
        f"a caller got {error.code}: {error}"
        for error in load.failed.values()
        if error.code != "UNAVAILABLE" and not cut_off(error)
    ]
    refused_at = min(load.failed_at, default=math.inf)
    if refused_at < watch.serving_at + DELAY:
        took = refused_at - watch.serving_at
        found.append(f"refused {took:.3f} s after health said that it serves")
    return found


def cut_off(error: PostroomError) -> bool:
    """Whether gRPC ended a call that came while the last connections were closed."""
    return error.code == "CANCELLED" and not error.reason and not error.nothing_sent


def end_it(config, port: int, relay: HoldingRelay, load: Load) -> list[str]:
    """Put the service under *load*, ask it to end, and tell what went wrong."""
    held = random.random() < 0.5
    with daemon(config, port) as service, Watch(service.target) as watch, load:
        if held:
            relay.hold_at("before BODY")
            assert relay.reached.wait(20)
        else:
            PAUSE.wait(random.uniform(0.05, 0.3))
        asked_at = time.monotonic()
        service.process.terminate()
        PAUSE.wait(DELAY + 0.2)
        relay.go_on()
        status = service.process.wait(GRACE + DELAY + 5)
        took = time.monotonic() - asked_at
    wrong = faults(load, watch)
    if status != 0:
        wrong.append(f"exit status {status}")
    if took > PROMPT:
        wrong.append(f"took {took:.1f} s")
    return wrong


def losses(relay: HoldingRelay, loads: Iterable[Load], told: dict) -> list[str]:
    """What the relay did not get, or got too often."""
    taken = relay.counted()
    wrong = [f"{m} came {n} times" for m, n in taken.items() if n > 1]
    for load in loads:
        for marker, answer in load.answers.items():
            if told[marker].status is not Status.SUCCESS or not taken[marker]:
                wrong.append(f"{marker}: {answer.status}, then {told[marker]}")
        wrong += [
            f"{marker} was refused, and sent"
            for marker, error in load.failed.items()
            if error.nothing_sent and taken[marker]
        ]
    return wrong


def finished(client: Client) -> list:
    """All deliveries, when none of them is open."""
    open_ones = [Status.QUEUED, Status.SENDING, Status.RETRY]
    for _ in range(600):
        if not list(client.list(statuses=open_ones)):
            return list(client.list(view="full"))
        PAUSE.wait(0.05)
    raise AssertionError("never finished")


@pytest.mark.parametrize("store", CYCLES)
def test_asked_to_end_it_loses_nothing_and_sends_nothing_twice(tmp_path, store):
    url = postgres().fresh() if store == "shared" else ""
    relay, numbers, port = HoldingRelay(ALL_EXTENSIONS), itertools.count(), free_port()
    loads, wrong = [], []
    with ScriptedRelay(relay) as link:
        server = f"server = {{ drain_grace = {GRACE}, drain_delay = {DELAY} }}"
        relays = {"main": plain(link.port, pool_size=4)}
        config = settings(tmp_path, relays, server, store=url)
        for _ in range(CYCLES[store]):
            target = f"127.0.0.1:{port}"
            loads.append(Load(target, ALL, lambda: f"m{next(numbers):08d}"))
            wrong += end_it(config, port, relay, loads[-1])
        with daemon(config, port) as last, Client(last.target) as client:
            deliveries = finished(client)
            stats = told_counters(client.stats())["ALL"]
    told = {d.subject: d.result for d in deliveries}
    wrong += losses(relay, loads, told)

    assert not wrong, "\n".join(wrong)
    assert stats == expected_counters(told.values())
    assert any(load.failed for load in loads)
