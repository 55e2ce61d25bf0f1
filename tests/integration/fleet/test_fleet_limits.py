"""Four processes on one database keep a limit together."""

from __future__ import annotations

import json

import psycopg
import pytest
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import fleet, fleet_settings, stub_of, until
from tests.support.postgres import postgres
from tests.support.service import CALL, a_request

PROCESSES = 4
PER_SECOND, BURST, MAILS = 40, 10, 110
NOISE = 4
"""What a busy machine may hold up between the leave for a mail and its start."""
TENANT = f"[tenants.default]\nmax_per_second = {PER_SECOND}\nburst = {BURST}\n"
OF_THE_DAY = 23


@pytest.fixture
def relay():
    with SandboxRelay() as started:
        yield started


@pytest.fixture
def url() -> str:
    return postgres().fresh()


def queue(target: str, mails: int, connections: int = 8) -> None:
    """Hand in mails over several connections, so that all processes get some."""
    for first in range(connections):
        with stub_of(target) as stub:
            for _ in range(first, mails, connections):
                request = a_request(completion=send_pb.COMPLETION_ACCEPTED)
                stub.SendMessage(request, timeout=CALL)


def starts(url: str) -> list[float]:
    """When each attempt began, in seconds."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT doc FROM attempt").fetchall()
    return sorted(json.loads(doc)["b"] / 1e6 for (doc,) in rows)


def most_beyond(times: list[float]) -> float:
    """The most that any span of time saw beyond what its length allows."""
    return max(
        last - first + 1 - PER_SECOND * (times[last] - times[first])
        for first in range(len(times))
        for last in range(first, len(times))
    )


@pytest.mark.parametrize(
    ("extra", "keys"),
    [("", {"max_per_second": PER_SECOND, "burst": BURST}), (TENANT, {})],
    ids=["relay", "tenant"],
)
def test_four_processes_together_send_no_faster_than_one_may(
    tmp_path, url, relay, extra, keys
):
    config = fleet_settings(tmp_path / "c", url, relay.port, extra, **keys)
    with fleet(config, PROCESSES) as service:
        queue(service.target, MAILS)
        until(lambda: len(relay.messages) == MAILS and at_rest(url))

    times = starts(url)
    arrivals = sorted(mail.received_at.timestamp() for mail in relay.messages)
    assert len(times) == MAILS
    assert most_beyond(times) <= BURST + NOISE
    assert arrivals[-1] - times[0] >= (MAILS - BURST - NOISE) / PER_SECOND


def test_four_processes_together_spend_the_recipients_of_a_day_exactly(
    tmp_path, url, relay
):
    config = fleet_settings(
        tmp_path / "c", url, relay.port, max_recipients_per_day=OF_THE_DAY
    )
    with fleet(config, PROCESSES) as service:
        queue(service.target, 2 * OF_THE_DAY)
        until(lambda: len(relay.messages) >= OF_THE_DAY)
        until(lambda: used(url) == OF_THE_DAY and at_rest(url))

    assert len(relay.messages) == OF_THE_DAY


def used(url: str) -> int:
    """The recipients that were spent of the day; nothing is held."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT used FROM quota").fetchone()[0]


def at_rest(url: str) -> bool:
    """Whether no attempt is under way."""
    with psycopg.connect(url) as connection:
        return not connection.execute("SELECT 1 FROM lease").fetchall()
