"""Two outboxes on one database, as two processes have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.node import LeaseSettings
from postroom_server.outbox.postgres.store import PostgresOutbox, PostgresSettings

from tests.support.fleets import await_hearing
from tests.support.postgres import postgres


@pytest.fixture
def url() -> str:
    return postgres().fresh()


@pytest.fixture
def join(url) -> Iterator[Callable[..., PostgresOutbox]]:
    """Opens one more outbox on the database of this test."""
    opened: list[PostgresOutbox] = []

    def one_more(lease: LeaseSettings | None = None) -> PostgresOutbox:
        settings = PostgresSettings(lease=lease or LeaseSettings())
        outbox = PostgresOutbox.open(
            Database(url), clock=SystemClock(), settings=settings
        )
        opened.append(outbox)
        await_hearing(outbox)
        return outbox

    yield one_more
    for outbox in opened:
        outbox.close()
