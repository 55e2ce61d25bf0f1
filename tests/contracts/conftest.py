"""The outboxes that keep the contract.  A further store joins `STORES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from postroom_server.domain.transitions import Change
from postroom_server.outbox.store import Outbox

from tests.support.builders import NOW
from tests.support.clocks import FakeClock
from tests.support.stores import STORES, Store


@pytest.fixture(params=STORES)
def store(request, tmp_path) -> Store:
    """What this test's outboxes are opened on."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def open_outbox(store, clock, told) -> Iterator[Callable[[], Outbox]]:
    """Opens the store of this test; if it is open already, it is closed first."""
    opened: list[Outbox] = []

    def open_again() -> Outbox:
        for outbox in opened:
            outbox.close()
        opened.append(store.open(clock, told))
        return opened[-1]

    yield open_again
    for outbox in opened:
        outbox.close()


@pytest.fixture
def outbox(open_outbox) -> Outbox:
    return open_outbox()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def told() -> list[Change]:
    """The changes that the outbox told its listener of."""
    return []
