"""Four processes on one database keep limits together."""

from __future__ import annotations

import json

import psycopg
import pytest
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import fleet, fleet_settings, stub_of, until
from tests.support.postgres import postgres
from tests.support.service import CALL, a_request

pytestmark = pytest.mark.timeout(240)

PROCESSES = 4
PER_SECOND, BURST = 40, 10
OF_THE_DAY = 90
NOISE = 4
"""What a busy machine may hold up between the leave for a mail and its start."""
RATE = {"max_per_second": PER_SECOND, "burst": BURST}
DAY = {"max_recipients_per_day": OF_THE_DAY}


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


def tenant(limits: dict[str, int]) -> str:
    keys = (f"{key} = {value}" for key, value in limits.items())
    return "\n".join(["[tenants.default]", *keys]) + "\n"


def rows(url: str, query: str) -> list:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def starts(url: str) -> list[float]:
    """When each attempt that was made began, in seconds."""
    mails = [json.loads(doc) for (doc,) in rows(url, "SELECT doc FROM delivery")]
    attempts = [one for mail in mails for one in mail.get("att", ())]
    return sorted(one["b"] / 1e6 for one in attempts if one.get("p", 0) > 1)


def most_beyond(times: list[float]) -> float:
    """The most that any span of time saw beyond what its length allows."""
    return max(
        last - first + 1 - PER_SECOND * (times[last] - times[first])
        for first in range(len(times))
        for last in range(first, len(times))
    )


@pytest.mark.parametrize(
    ("of_relay", "of_tenant"), [(RATE, DAY), (DAY, RATE)], ids=["relay", "tenant"]
)
def test_four_processes_together_send_no_faster_and_no_more_than_one_may(
    tmp_path, url, relay, of_relay, of_tenant
):
    extra = tenant(of_tenant)
    config = fleet_settings(tmp_path / "c", url, relay.port, extra, **of_relay)
    with fleet(config, PROCESSES) as service:
        queue(service.target, OF_THE_DAY + 20)
        until(lambda: len(relay.messages) >= OF_THE_DAY)
        until(lambda: rows(url, "SELECT used FROM quota") == [(OF_THE_DAY,)])
        until(lambda: not rows(url, "SELECT 1 FROM lease"))

    times = starts(url)
    assert len(relay.messages) == len(times) == OF_THE_DAY
    assert most_beyond(times) <= BURST + NOISE
