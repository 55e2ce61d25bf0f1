from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import PoolSettings

from tests.support.certificates import authority_file
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import ScriptedRelay


@pytest.fixture(scope="session")
def ca_file() -> Iterator[str]:
    """What the clients of well-run relays trust."""
    with authority_file() as path:
        yield path


class Hands:
    """A monotonic clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def polite():
    return PoliteRelay()


@pytest.fixture
def relay(polite):
    with ScriptedRelay(polite) as relay:
        yield relay


@pytest.fixture
def make_pool(clock):
    """Pools that are closed in the end."""
    with ExitStack() as stack:

        def make(relay: ScriptedRelay, **limits) -> SessionPool:
            settings = relay.settings(pool=PoolSettings(**({"jitter": 0.0} | limits)))
            pool = SessionPool(
                lambda until: open_session(settings, until),
                settings.pool,
                "main",
                clock,
            )
            stack.callback(pool.close, 0.1)
            return pool

        yield make
