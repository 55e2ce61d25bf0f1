"""The same request 64 times at once, of two processes: one delivery, one mail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom import Client, Completion, Status
from postroom.results import DeliveryResult

from tests.gates.figures import figure
from tests.gates.fleet import Fleet
from tests.gates.sink import Sink
from tests.gates.verdict import wrong
from tests.support.postgres import postgres
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

TWINS = 64
KEYS = figure(5, 100)
PATIENCE = 60.0


class Twins:
    """Callers who ask at once, each of the client whose turn it is."""

    def __init__(self, clients: Sequence[Client], callers: ThreadPoolExecutor) -> None:
        self._clients, self._callers = clients, callers

    def ask(self, key: str, completion: Completion) -> list[DeliveryResult]:
        """What each was answered."""
        start = threading.Barrier(TWINS)

        def send(number: int) -> DeliveryResult:
            start.wait(PATIENCE)
            return self._clients[number % len(self._clients)].send(
                from_="me@example.com",
                to="ada@example.com",
                subject=key,
                text="x",
                request_id=key,
                completion=completion,
                timeout=PATIENCE,
            )

        return list(self._callers.map(send, range(TWINS)))


@pytest.mark.parametrize("completion", [Completion.RELAYED, Completion.ACCEPTED])
@pytest.mark.parametrize("size", [1, 2], ids=["file", "shared by two"])
def test_twins_make_one_delivery_and_one_mail(tmp_path, size, completion):
    keys = [f"key-{number}" for number in range(KEYS)]
    url = postgres().fresh() if size > 1 else ""
    with (
        Sink(tmp_path, ALL_EXTENSIONS) as sink,
        Fleet(tmp_path, sink.port, size, url) as fleet,
        Client(fleet.targets[0]) as first,
        Client(fleet.targets[-1]) as last,
        ThreadPoolExecutor(TWINS) as callers,
    ):
        twins = Twins([first, last], callers)
        answers = {key: twins.ask(key, completion) for key in keys}
        found = wrong(fleet.targets[0], sink, keys)

    assert not found, "\n".join(found)
    assert sink.counted() == dict.fromkeys(keys, 1)
    for told in answers.values():
        assert len({one.delivery for one in told}) == 1
        assert sum(not one.replayed for one in told) == 1
        if completion is Completion.RELAYED:
            assert {one.status for one in told} == {Status.SUCCESS}
