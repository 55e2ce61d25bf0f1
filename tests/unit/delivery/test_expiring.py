"""What expires without its turn."""

from __future__ import annotations

import pytest
from postroom_server.delivery import expiring
from postroom_server.delivery.expiring import Expiring
from postroom_server.delivery.waits import WaitRoom
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.memory.store import MemoryOutbox

from tests.support.builders import DAY, NOW, SECOND
from tests.support.clocks import FakeClock
from tests.support.outboxes import accept

SOON, TOMORROW = Instant(NOW + 60 * SECOND), Instant(NOW + DAY)


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def told():
    return []


@pytest.fixture
def outbox(clock, told):
    return MemoryOutbox(MemoryState(), clock, told.append)


@pytest.fixture
def sweep(outbox, clock):
    return Expiring(outbox, clock, WaitRoom(10), lambda: False)


def status_of(outbox, delivery):
    return outbox.get("default", delivery.id).status


def test_what_is_past_its_time_expires_and_the_rest_stays(outbox, clock, sweep, told):
    over = accept(outbox, expire_at=SOON)
    waits = accept(outbox, expire_at=TOMORROW)
    under_way = accept(outbox, expire_at=SOON, leased=True)
    before = sweep.look()
    clock.advance(60)

    assert (before, sweep.look(), sweep.look()) == (0, 1, 0)
    assert status_of(outbox, over) is DeliveryStatus.EXPIRED
    assert status_of(outbox, waits) is DeliveryStatus.QUEUED
    assert status_of(outbox, under_way) is DeliveryStatus.SENDING
    assert told[-1].after.status is DeliveryStatus.EXPIRED


def test_a_look_goes_on_where_the_last_one_ended(outbox, clock, sweep, monkeypatch):
    monkeypatch.setattr(expiring, "PAGE", 2)
    monkeypatch.setattr(expiring, "PAGES", 1)
    for _ in range(5):
        accept(outbox, expire_at=SOON)
    clock.advance(60)

    assert [sweep.look() for _ in range(4)] == [2, 2, 1, 0]


def test_on_hold_nothing_expires(outbox, clock):
    kept = accept(outbox, expire_at=SOON)
    clock.advance(60)

    assert Expiring(outbox, clock, WaitRoom(10), lambda: True).look() == 0
    assert status_of(outbox, kept) is DeliveryStatus.QUEUED
