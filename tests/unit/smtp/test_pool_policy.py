from __future__ import annotations

from types import SimpleNamespace

import pytest
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.pool_policy import (
    admitted,
    due_at,
    expired,
    wants_heartbeat,
    wants_noop,
    worn_out,
)
from postroom_server.smtp.settings import PoolSettings

EXACT = PoolSettings(jitter=0.0)


def pooled(transactions: int = 0, settings: PoolSettings = EXACT):
    return admitted(SimpleNamespace(transactions=transactions), 0, 1000.0, settings)


@pytest.mark.parametrize(
    ("later", "transactions", "reason"),
    [
        (0, 0, None),
        (299, 499, None),
        (300, 0, CloseReason.IDLE),
        (10, 500, CloseReason.USES),
    ],
)
def test_an_idle_session_expires(later, transactions, reason):
    assert expired(pooled(transactions), 1000.0 + later) is reason


def test_an_old_session_is_let_go_however_busy():
    session = pooled()
    session.idle_since = 4599.0

    assert expired(session, 4599.0) is None
    assert expired(session, 4600.0) is CloseReason.AGE
    assert worn_out(session, 4600.0) is CloseReason.AGE


def test_a_heartbeat_does_not_make_an_idle_session_younger():
    session = pooled()
    session.touched_at = 1299.0

    assert expired(session, 1300.0) is CloseReason.IDLE


@pytest.mark.parametrize(("silent", "asked"), [(0, False), (5, False), (5.1, True)])
def test_noop_is_asked_only_after_silence(silent, asked):
    assert wants_noop(pooled(), 1000.0 + silent, EXACT) is asked


@pytest.mark.parametrize(("silent", "due"), [(29, False), (30, True)])
def test_a_heartbeat_is_due_after_half_a_minute(silent, due):
    assert wants_heartbeat(pooled(), 1000.0 + silent, EXACT) is due


def test_the_next_upkeep_is_the_first_of_heartbeat_and_limits():
    session = pooled()

    assert due_at(session, EXACT) == 1030.0
    session.touched_at = 1290.0
    assert due_at(session, EXACT) == 1300.0


def test_limits_are_spread_and_never_longer_than_set():
    sessions = [pooled(settings=PoolSettings()) for _ in range(200)]

    assert len({s.max_idle for s in sessions}) > 100
    assert all(270 <= s.max_idle <= 300 for s in sessions)
    assert all(3240 <= s.max_age <= 3600 for s in sessions)
    assert all(450 <= s.max_messages <= 500 for s in sessions)
