from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.service import Service, plain, running


@pytest.fixture
def relay() -> Iterator[SandboxRelay]:
    with SandboxRelay() as sandbox:
        yield sandbox


@pytest.fixture
def service(tmp_path: Path, relay: SandboxRelay) -> Iterator[Service]:
    with running(tmp_path, {"main": plain(relay.port)}, relay) as service:
        yield service


@pytest.fixture(scope="module")
def shared_relay() -> Iterator[SandboxRelay]:
    """One for all tests of a module."""
    with SandboxRelay() as sandbox:
        yield sandbox
