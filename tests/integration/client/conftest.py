from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from postroom import Client

from tests.integration.client.clients import Awaited, skip_pauses
from tests.support.fake_service import FakeService, serving

Connect = Callable[..., Client | Awaited]


@pytest.fixture
def service() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def pauses() -> list[float]:
    """How long the client waited between attempts, in seconds; it does not really."""
    return []


@pytest.fixture(params=["Client", "AsyncClient"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of either kind, to be called in the same way."""
    if request.param == "Client":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield partial(Awaited, runner)


@pytest.fixture
def client(
    connect: Connect, service: FakeService, pauses: list[float]
) -> Iterator[Client | Awaited]:
    with connect(service.target, timeout=30) as client:
        skip_pauses(client, pauses)
        yield client
