from __future__ import annotations

from collections.abc import Iterator

import pytest
from postroom import Client

from tests.support.fake_service import FakeService, serving


@pytest.fixture
def service() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def pauses() -> list[float]:
    """How long the client waited between attempts, in seconds; it does not really."""
    return []


@pytest.fixture
def client(service: FakeService, pauses: list[float]) -> Iterator[Client]:
    with Client(service.target, timeout=30) as client:
        client._pause = lambda delay: bool(pauses.append(delay))
        yield client
