from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from postroom import _service
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.service import Service, plain, running


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    """Close the clients that this process made through settings."""
    yield
    mine = [owner for owner in _service._clients if owner[0] == os.getpid()]
    for owner in mine:
        _service._clients.pop(owner).close()


@pytest.fixture
def relay() -> Iterator[SandboxRelay]:
    with SandboxRelay() as sandbox:
        yield sandbox


@pytest.fixture
def service(tmp_path: Path, relay: SandboxRelay) -> Iterator[Service]:
    keys = plain(relay.port, from_address="shop@example.com")
    with running(tmp_path, {"main": keys, "other": keys}, relay) as service:
        yield service


@pytest.fixture
def target(service: Service) -> str:
    """Where the service is."""
    return service.app.server.address
