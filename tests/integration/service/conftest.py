from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postroom_server.delivery import waiting
from postroom_server.rpc import context, mail_stream
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


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its end a wait has seconds for its last commit and its answer.

    A machine that stands still for a moment must not be what ends a call.
    """
    monkeypatch.setattr(context, "MARGIN", 3.0)
    monkeypatch.setattr(waiting, "BREAKING_OFF", 2.0)
    monkeypatch.setattr(mail_stream, "LAST_ANSWERS", 2.5)


@pytest.fixture(scope="module")
def shared_relay() -> Iterator[SandboxRelay]:
    """One for all tests of a module."""
    with SandboxRelay() as sandbox:
        yield sandbox
