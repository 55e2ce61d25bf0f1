from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from postroom_server.sandbox.relay import SandboxRelay

from tests.integration.sandbox.rawclient import RawClient


@pytest.fixture
def relay() -> Iterator[SandboxRelay]:
    with SandboxRelay() as relay:
        yield relay


@pytest.fixture
def connect(relay: SandboxRelay) -> Iterator[Callable[[], RawClient]]:
    """Opens connections to the relay that have said EHLO and are closed at the end."""
    clients: list[RawClient] = []

    def opened() -> RawClient:
        client = RawClient(relay.port)
        clients.append(client)
        assert client.reply().startswith("220 ")
        assert "CHUNKING" in client.ask("EHLO client.example")
        return client

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[[], RawClient]) -> RawClient:
    return connect()
