"""Idle sessions: kept alive, and let go in time."""

from __future__ import annotations

import threading

import pytest
import structlog
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.pool_upkeep import Upkeep

from tests.support.pools import use
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import ScriptedRelay


@pytest.mark.parametrize(
    ("limits", "seconds", "reason"),
    [
        ({"heartbeat": 1e9}, 300, CloseReason.IDLE),
        ({"heartbeat": 1e9, "idle_timeout": 1e9}, 3600, CloseReason.AGE),
    ],
)
def test_upkeep_lets_expired_sessions_go(
    relay, make_pool, clock, limits, seconds, reason
):
    pool = make_pool(relay, **limits)
    use(pool)
    clock.now += seconds - 1
    pool.maintain()
    before = pool.stats().idle
    clock.now += 1
    pool.maintain()
    after = pool.stats()

    assert before == 1
    assert after.idle == 0
    assert after.closed_by == {reason: 1}
    assert relay.heard[-1] == b"QUIT"


def test_heartbeats_keep_idle_sessions_alive_and_no_younger(
    relay, polite, make_pool, clock
):
    pool = make_pool(relay)
    use(pool)
    for _ in range(10):
        clock.now += 30
        pool.maintain()

    assert polite.verbs.count("NOOP") == 9
    assert pool.stats().closed_by == {CloseReason.IDLE: 1}


def test_a_heartbeat_without_answer_ends_the_session(make_pool, clock):
    script = PoliteRelay(answers={"NOOP": ["500 what?"]})
    with ScriptedRelay(script) as relay:
        pool = make_pool(relay)
        use(pool)
        clock.now += 30
        pool.maintain()

    assert pool.stats().closed_by == {CloseReason.DEAD: 1}


def test_upkeep_tells_when_it_is_next_wanted(relay, make_pool, clock):
    pool = make_pool(relay)
    idle = pool.maintain()
    use(pool)
    clock.now += 10

    assert idle == 30
    assert pool.maintain() == 20


def test_one_thread_looks_after_all_pools(relay, polite, make_pool, clock):
    pools = [make_pool(relay), make_pool(relay)]
    upkeep = Upkeep()
    for pool in pools:
        use(pool)
        upkeep.add(pool)
    clock.now += 30
    rest = upkeep.run_once()

    assert polite.verbs.count("NOOP") == 2
    assert rest <= 5


def test_a_pool_whose_upkeep_fails_does_not_stop_that_of_the_others(
    relay, polite, make_pool, clock
):
    broken, sound = make_pool(relay), make_pool(relay)
    broken.maintain = lambda: 1 / 0
    use(sound)
    upkeep = Upkeep()
    upkeep.add(broken)
    upkeep.add(sound)
    clock.now += 30
    with structlog.testing.capture_logs() as logs:
        upkeep.run_once()

    assert "NOOP" in polite.verbs
    assert [log["event"] for log in logs] == ["pool.upkeep_failed"]


def test_the_upkeep_thread_begins_and_ends():
    upkeep = Upkeep()
    upkeep.start()
    names = [thread.name for thread in threading.enumerate()]
    upkeep.stop()

    assert "postroom-sessions" in names
