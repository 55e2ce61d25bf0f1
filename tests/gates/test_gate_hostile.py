"""Hostile relays: callers are answered in time and told the truth, and nothing is left.

Each case has a relay of its own, which misbehaves once and is a good relay for the
mail after that.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, repeat

import psutil
import pytest
from postroom import Client, PostroomError, RecipientStatus, RetryPolicy, Status
from postroom.results import DeliveryResult

from tests.gates.fleet import ROOT
from tests.gates.hostile_cases import (
    FIRST,
    SECOND,
    Mode,
    Reused,
    all_cases,
    outcomes,
)
from tests.gates.hostile_relay import HostileRelay, hostile_relays
from tests.gates.oracle import assert_stats_are_true
from tests.support.certificates import authority_file, good
from tests.support.process import PAUSE, daemon, free_port
from tests.support.service import settings

DEADLINE, SHORT_DEADLINE = 20.0, 4.0
PASSWORD = "canary-password"
CALLERS = 12
SETTLING = 20.0
SPARE = 8
"""Files and threads that the service keeps once it has been called."""

pytestmark = [pytest.mark.gate, pytest.mark.timeout(600)]


@dataclass
class Told:
    """What the caller of one case learnt, and after how many seconds."""

    relay: HostileRelay
    took_seconds: float
    allowed_seconds: float
    result: DeliveryResult | None = None
    error: PostroomError | None = None
    next_one: DeliveryResult | None = None

    def statuses(self) -> dict[str, RecipientStatus]:
        return {r.address: r.status for r in self.result.recipients}

    def mistakes(self) -> list[str]:
        """What the service got wrong, in words."""
        case = self.relay.case
        found = []
        if self.took_seconds > self.allowed_seconds + 1:
            found.append(f"answered after {self.took_seconds:.1f} s")
        if self.error is not None:
            return [*found, f"refused: {self.error.code} {self.error}"]
        expected = dict(zip((FIRST, SECOND), outcomes(case), strict=True))
        for address, status in self.statuses().items():
            if status not in expected[address]:
                found.append(f"{address} is {status}, not {expected[address]}")
            taken = any(address in mail for mail in self.relay.took)
            if status is RecipientStatus.DELIVERED and not taken:
                found.append(f"{address} never got it")
        if not case.pauses_the_relay and self.next_one.status is not Status.SUCCESS:
            found.append(f"the next mail: {self.next_one}")
        return found


def keys_of(relay: HostileRelay, authority: str) -> dict[str, object]:
    stalls = relay.case.fault == "stall"
    limits = dict.fromkeys(
        ("connect", "tls", "greeting", "command", "data", "block", "final"),
        10.0 if stalls else 2.5,
    )
    keys = {
        "host": "127.0.0.1",
        "port": relay.port,
        "encryption": "none",
        "pool_size": 1,
        "idle_timeout": 1.0,
        "heartbeat": 1.0,
        "timeouts": limits,
    }
    if relay.case.mode is Mode.STARTTLS:
        log_in = {"username": "me", "password": PASSWORD, "tls_ca_file": authority}
        keys |= {"encryption": "tls", **log_in}
    return keys


def send(client: Client, relay: str, timeout: float, to: list[str]) -> DeliveryResult:
    return client.send(
        relay=relay,
        from_="me@example.com",
        to=to,
        subject="x",
        text="x",
        retry=RetryPolicy(disabled=True),
        timeout=timeout,
    )


def settled(client: Client, result: DeliveryResult) -> DeliveryResult:
    for _ in range(400):
        if result.is_final:
            return result
        PAUSE.wait(0.05)
        result = client.get(result.delivery).result
    raise AssertionError(f"never settled: {result}")


def attempt(client: Client, number: int, relay: HostileRelay) -> Told:
    name = f"r{number}"
    case = relay.case
    if case.reused is Reused.YES:
        first = send(client, name, DEADLINE, [FIRST])
        assert first.status is Status.SUCCESS, f"{case}: {first}"
        relay.took.clear()
    allowed = SHORT_DEADLINE if case.fault == "stall" else DEADLINE
    began = time.monotonic()
    told = Told(relay, 0, allowed)
    try:
        told.result = send(client, name, allowed, [FIRST, SECOND])
    except PostroomError as error:
        told.error = error
    told.took_seconds = time.monotonic() - began
    if told.result is not None:
        told.result = settled(client, told.result)
    told.next_one = send(client, name, DEADLINE, ["next@example.com"])
    return told


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether *true* comes true within *seconds*."""
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        PAUSE.wait(0.05)
    return true()


def sessions(client: Client) -> int:
    """How many the service has, in all pools together."""
    pools = [r.pool for r in client.stats(include_relays=True).relays]
    return sum(p.idle + p.in_use + p.opening + p.waiting for p in pools)


def test_whatever_relays_do_callers_learn_the_truth_in_time(tmp_path):
    with authority_file() as authority, hostile_relays(all_cases(), good()) as relays:
        keys = {f"r{n}": keys_of(relay, authority) for n, relay in enumerate(relays)}
        config = settings(tmp_path, keys, default="r0")
        program = {"program": "tests.gates.unhurried", "PYTHONPATH": str(ROOT)}
        with (
            daemon(config, free_port(), **program) as service,
            Client(service.target) as client,
        ):
            process = psutil.Process(service.process.pid)
            fds, threads = process.num_fds(), process.num_threads()
            with ThreadPoolExecutor(CALLERS) as callers:
                told = list(callers.map(attempt, repeat(client), count(), relays))
            assert until(lambda: not sessions(client), SETTLING), sessions(client)
            assert until(lambda: process.num_fds() <= fds + SPARE, SETTLING)
            # Each relay has one seat, and so one thread that delivers; the rest are
            # those that serve the callers.
            assert process.num_threads() <= threads + len(relays) + CALLERS + SPARE
            assert_stats_are_true(client)

    mistakes = [f"{t.relay.case}: {m}" for t in told for m in t.mistakes()]
    assert not mistakes, "\n".join(mistakes)
    assert all(relay.misbehaved for relay in relays)
    assert not [r.case for r in relays if shows_the_log_in(bytes(r.clear))]


def shows_the_log_in(octets: bytes) -> bool:
    plain = f"\0me\0{PASSWORD}".encode()
    forms = (b"AUTH", PASSWORD.encode(), base64.b64encode(plain)[:-4])
    return any(form in octets for form in forms)
