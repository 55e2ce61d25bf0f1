"""A relay that hangs, with all its callers, costs the others nothing.

Beside ten times as many calls as the service takes at once, mail through another relay
is as fast as through a service that has no such relay, and health answers.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from postroom import Client, Completion, Health, Status
from postroom.results import DeliveryResult
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom_server.rpc.pools import PLANS, PoolKind
from postroom_server.sandbox.relay import SandboxRelay

from tests.gates.figures import figure
from tests.support.process import PAUSE, Daemon, daemon, free_port
from tests.support.service import a_message, plain, settings
from tests.support.silence import silent_relay

pytestmark = [pytest.mark.gate, pytest.mark.timeout(1200)]

PLAN = PLANS[PoolKind.DELIVER]
LIMIT = PLAN.threads + PLAN.queued
CALLS = 10 * LIMIT
HUNG = 6
QUEUED = figure(1_000, 10_000)
PER_CONNECTION = 100
SENDS = 200
CALLERS = 4
HEALTH = 0.1
"""Seconds within which health answers."""
NOISE = 0.010
"""Seconds below which a slower answer says nothing on a shared machine."""
TURNS = 12
"""How often something is measured at most, and two services in turns: noise only ever
adds.  A disk that many share stands still
for a third of a second now and then, whoever waits for it."""


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99) - 1]


def timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def send(
    client: Client, relay: str, completion: Completion = Completion.RELAYED
) -> DeliveryResult:
    return client.send(
        relay=relay,
        from_="me@example.com",
        to="a@example.com",
        subject="x",
        text="x",
        completion=completion,
    )


def send_well(client: Client) -> None:
    assert send(client, "good").status is Status.SUCCESS


def check_health(client: Client) -> None:
    assert client.health("postroom.v1.DeliveryService") is Health.SERVING


class Pulse:
    """Asks for health all the time, and notes how long each answer took."""

    def __init__(self, client: Client) -> None:
        self.seconds: list[float] = []
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            self.seconds.append(timed(lambda: check_health(self._client)))


def measure(client: Client) -> tuple[float, float]:
    """The p99 of sends through the good relay, and of health beside them."""
    with ThreadPoolExecutor(CALLERS) as callers, Pulse(client) as pulse:
        sends = list(
            callers.map(lambda _: timed(lambda: send_well(client)), range(SENDS))
        )
    return p99(sends), p99(pulse.seconds)


@contextlib.contextmanager
def blocked_calls(target: str, relays: Sequence[str]) -> Iterator[list[grpc.Future]]:
    """Many callers at once who wait for *relays*, which hang."""
    with contextlib.ExitStack() as stack:
        calls = []
        for number in range(0, CALLS, PER_CONNECTION):
            own = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(target, options=own))
            stub = DeliveryServiceStub(channel)
            relay = f"relays/{relays[number // PER_CONNECTION % len(relays)]}"
            request = send_pb.SendMessageRequest(message=a_message(), relay=relay)
            calls += [
                stub.SendMessage.future(request, timeout=1000)
                for _ in range(PER_CONNECTION)
            ]
        yield calls
        for call in calls:
            call.cancel()


def until_settled(calls: list[grpc.Future]) -> int:
    """How many of *calls* still wait, when all others have been refused."""
    waiting = -1
    for _ in range(60):
        before, waiting = waiting, sum(not call.done() for call in calls)
        if waiting == before:
            return waiting
        PAUSE.wait(0.5)
    raise AssertionError("never settled")


def codes_of(calls: list[grpc.Future]) -> set[grpc.StatusCode]:
    return {call.code() for call in calls if call.done()}


@pytest.fixture
def hung():
    """Some relays that accept connections and never say a word."""
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(silent_relay()).port for _ in range(HUNG)]
        yield {f"hung{n}": plain(port) for n, port in enumerate(ports)}


@contextlib.contextmanager
def serving(folder: Path, relays: Mapping[str, Mapping[str, Any]]) -> Iterator[Daemon]:
    """The service with *relays*, and a good one."""
    folder.mkdir()
    with SandboxRelay() as good:
        relays = {"good": plain(good.port), **relays}
        grace = "server = { drain_grace = 1.0 }"
        config = settings(folder, relays, grace, default="good")
        with daemon(config, free_port()) as service:
            yield service


@pytest.fixture
def service(tmp_path, hung):
    """The service with relays that hang, and a good one."""
    with serving(tmp_path / "beside", hung) as service:
        yield service


@pytest.fixture
def alone(tmp_path):
    """A service that knows a good relay only."""
    with serving(tmp_path / "alone", {}) as service:
        yield service


def in_turns(client: Client, rival: Client) -> tuple[float, float, float]:
    """The best p99 of *client*'s sends and of its health, and of *rival*'s sends.

    They are measured in turns, until *client* is as fast as it must be or never was.
    """
    sends = checks = rivals = math.inf
    for _ in range(TURNS):
        rivals = min(rivals, measure(rival)[0])
        sends, checks = map(min, (sends, checks), measure(client))
        if sends <= 2 * max(rivals, NOISE) and checks < HEALTH:
            break
    return sends, checks, rivals


def test_a_hung_relay_with_many_callers_slows_nobody_else(service, alone):
    with Client(service.target) as client, Client(alone.target) as rival:
        measure(client)
        measure(rival)
        for _ in range(QUEUED):
            send(client, "hung0", Completion.ACCEPTED)
        with blocked_calls(service.target, ["hung0"]) as calls:
            waiting = until_settled(calls)
            sends, checks, rivals = in_turns(client, rival)
            codes = codes_of(calls)

    assert waiting
    assert codes <= {grpc.StatusCode.UNAVAILABLE}
    assert sends <= 2 * max(rivals, NOISE), f"{sends:.3f} s; alone {rivals:.3f} s"
    assert checks < HEALTH


def test_health_answers_when_every_thread_that_delivers_is_taken(service, hung):
    with (
        Client(service.target) as client,
        blocked_calls(service.target, list(hung)) as calls,
    ):
        waiting = until_settled(calls)
        checks = math.inf
        for _ in range(TURNS):
            with Pulse(client) as pulse:
                PAUSE.wait(1)
            checks = min(checks, p99(pulse.seconds))
            if checks < HEALTH:
                break
        codes = codes_of(calls)

    assert waiting >= PLAN.threads
    assert codes <= {grpc.StatusCode.UNAVAILABLE}
    assert checks < HEALTH
