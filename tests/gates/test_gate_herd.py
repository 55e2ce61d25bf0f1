"""Much mail that is due at once when a service comes back is no herd at the relay."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from postroom import Client, Completion

from tests.gates import verdict
from tests.gates.figures import figure
from tests.gates.fleet import POOL, Fleet
from tests.gates.sink import Sink
from tests.gates.verdict import wrong
from tests.gates.watch import Watch
from tests.support.postgres import postgres
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

HERD = figure(600, 10_000)
PER_MINUTE = 60
SLACK = 3
"""Sessions more than the limit allows: who opens one and who notes it are two."""
BEGINS_WITHIN = 30.0
SHARE = figure(0.2, 0.8)
"""Of the throughput later on, what there is at the beginning.  So few are out before all
sessions are open, and other work is felt."""


def accept(client: Client, markers: Sequence[str], due: float) -> None:
    """Accept mail that is due then."""

    def send(marker: str) -> None:
        client.send(
            from_="me@example.com",
            to="ada@example.com",
            subject=marker,
            text="x",
            completion=Completion.ACCEPTED,
            send_at=datetime.fromtimestamp(due, UTC),
        )

    with ThreadPoolExecutor(16) as callers:
        list(callers.map(send, markers))


@pytest.mark.parametrize("size", [1, 2], ids=["file", "shared by two"])
def test_a_herd_is_let_out_at_the_pace_of_the_relay(tmp_path, size, monkeypatch):
    monkeypatch.setattr(verdict, "FINISHES_WITHIN", 1200.0)
    markers = [f"m{number:06d}" for number in range(HERD)]
    watch = Watch(tmp_path / "ahead")
    url = postgres().fresh() if size > 1 else ""
    keys = {"connections_per_minute": PER_MINUTE}
    clock = {"POSTROOM_GATE_CLOCK": str(tmp_path / "ahead")}
    with (
        Sink(tmp_path, ALL_EXTENSIONS) as sink,
        Fleet(tmp_path, sink.port, size, url, keys, **clock) as fleet,
    ):
        with Client(fleet.targets[0]) as client:
            accept(client, markers, watch.now() + 3600)
        for number in range(size):
            fleet.kill(number)
        watch.turn(7200)
        fleet.up_again()
        back_at = time.time()
        found = wrong(fleet.targets[0], sink, markers)
        times = sorted(sink.times().values())
        sessions = sink.sessions()

    assert not found, "\n".join(found)
    assert sink.counted() == dict.fromkeys(markers, 1)
    assert max(itertools.accumulate(step for _, step in sessions)) <= POOL * size
    assert too_fast([at for at, step in sessions if step > 0]) == []
    assert times[0] - back_at < BEGINS_WITHIN
    assert at_first(times, POOL * size) >= SHARE * rate(times[HERD // 2 :])


def too_fast(opened: Sequence[float]) -> list[int]:
    """How many sessions were opened at times when it should have been fewer."""
    return [
        number
        for number, at in enumerate(opened)
        if number > (at - opened[0]) * PER_MINUTE / 60 + 1 + SLACK
    ]


def at_first(times: Sequence[float], sessions: int) -> float:
    """The throughput of the first half, from when all sessions are open."""
    all_open = times[0] + sessions * 60 / PER_MINUTE
    early = [at for at in times[: HERD // 2] if at > all_open]
    return rate(early) if len(early) > HERD // 10 else rate(times[: HERD // 2])


def rate(times: Sequence[float]) -> float:
    """Mails for each second."""
    return len(times) / (times[-1] - times[0])
