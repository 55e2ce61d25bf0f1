from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from django.test.utils import override_settings
from postroom import _service
from postroom_server.sandbox.relay import SandboxRelay

from tests.support import django_mail
from tests.support.service import Service, plain, running

django_mail.configure()


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
def target(service: Service) -> Iterator[str]:
    """Where the service is; Django's settings name it too."""
    address = service.app.server.address
    with override_settings(POSTROOM_TARGET=address):
        yield address


@pytest.fixture
def received(
    target: str, relay: SandboxRelay
) -> Callable[[], tuple[str, list[str], EmailMessage]]:
    """What the relay got last: the envelope, and the mail as a reader sees it."""

    def last() -> tuple[str, list[str], EmailMessage]:
        mail = relay.messages[-1]
        parsed = message_from_bytes(mail.data, policy=default)
        return mail.envelope_from, list(mail.recipients), parsed

    return last
