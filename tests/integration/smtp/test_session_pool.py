"""The pool over real sockets: reuse, liveness, limits, waiting, closing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.errors import (
    PoolClosed,
    PoolSaturated,
    PoolTimeout,
    SessionError,
)
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.pool_upkeep import Upkeep
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import PoolSettings
from postroom_server.smtp.timeouts import Deadline

from tests.support.controls import Orders, a_mail
from tests.support.relays import PoliteRelay, ready, speaks_while_idle, then
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay


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


def use(pool: SessionPool) -> bool:
    with pool.session() as session:
        return session.transact(a_mail(), Orders()).accepted


def test_one_session_serves_mail_after_mail(relay, make_pool):
    pool = make_pool(relay)
    accepted = [use(pool) for _ in range(3)]
    stats = pool.stats()

    assert accepted == [True] * 3
    assert relay.connections == 1
    assert (stats.created, stats.reused, stats.idle, stats.in_use) == (1, 2, 1, 0)


def test_a_session_knows_how_often_it_was_lent_again(relay, make_pool):
    pool = make_pool(relay)
    lent = []
    for _ in range(3):
        with pool.session() as session:
            lent.append(session.reused)

    assert lent == [0, 1, 2]


def test_a_session_just_used_is_not_asked_noop(relay, polite, make_pool, clock):
    pool = make_pool(relay)
    use(pool)
    clock.now += 5
    use(pool)

    assert "NOOP" not in polite.verbs


def test_a_session_silent_for_long_is_asked_noop(relay, polite, make_pool, clock):
    pool = make_pool(relay)
    use(pool)
    clock.now += 5.1
    use(pool)

    assert polite.verbs.count("NOOP") == 1
    assert pool.stats().reused == 1


def test_a_session_that_fails_noop_is_replaced_unseen(make_pool, clock):
    script = PoliteRelay(answers={"NOOP": ["451 4.0.0 tired"]})
    with ScriptedRelay(script) as relay:
        pool = make_pool(relay)
        use(pool)
        clock.now += 10
        accepted = use(pool)
        stats = pool.stats()
        pool.close()

    assert accepted
    assert relay.connections == 2
    assert stats.closed_by == {CloseReason.DEAD: 1}


def test_a_session_that_the_relay_closed_is_replaced_unseen(make_pool):
    closed = threading.Event()

    def leaves(peer: Peer) -> None:
        ready()(peer)
        peer.close()
        closed.set()

    with ScriptedRelay(leaves, PoliteRelay()) as relay:
        pool = make_pool(relay)
        with pool.session():
            pass
        assert closed.wait(PATIENCE)
        accepted = use(pool)
        stats = pool.stats()
        pool.close()

    assert accepted
    assert stats.closed_by == {CloseReason.RELAY: 1}
    assert (stats.created, stats.reused) == (2, 0)


def test_a_session_with_a_reply_nobody_asked_for_is_never_lent(make_pool):
    speak, spoken = threading.Event(), threading.Event()
    with ScriptedRelay(speaks_while_idle(speak, spoken), PoliteRelay()) as relay:
        pool = make_pool(relay)
        with pool.session():
            pass
        speak.set()
        assert spoken.wait(PATIENCE)
        accepted = use(pool)
        stats = pool.stats()
        pool.close()

    assert accepted
    assert stats.closed_by == {CloseReason.DEAD: 1}


def test_a_fresh_session_can_be_asked_for(relay, make_pool):
    pool = make_pool(relay)
    use(pool)
    with pool.session(fresh=True) as session:
        reused = session.reused

    assert reused == 0
    assert relay.connections == 2


def test_a_session_that_broke_is_not_pooled(make_pool):
    with ScriptedRelay(then(ready(), Peer.close), PoliteRelay()) as relay:
        pool = make_pool(relay)
        with pool.session() as session:
            report = session.transact(a_mail(), Orders())
        stats = pool.stats()
        pool.close()

    assert report.failure is not None
    assert stats.idle == stats.in_use == 0
    assert stats.closed_by == {CloseReason.RELAY: 1}


def test_a_block_that_raises_costs_no_session(relay, make_pool):
    pool = make_pool(relay)
    with pytest.raises(KeyError), pool.session():
        raise KeyError

    assert pool.stats().idle == 1


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


def test_an_expired_session_is_not_lent_even_before_upkeep_sees_it(
    relay, make_pool, clock
):
    pool = make_pool(relay)
    use(pool)
    clock.now += 300
    accepted = use(pool)

    assert accepted
    assert pool.stats().closed_by == {CloseReason.IDLE: 1}


def test_a_session_retires_after_its_number_of_mails(relay, make_pool):
    pool = make_pool(relay, max_messages=2)
    for _ in range(4):
        use(pool)

    assert relay.connections == 2
    assert pool.stats().closed_by == {CloseReason.USES: 2}


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


def test_the_cap_counts_sessions_that_are_being_opened(make_pool):
    greet = threading.Event()
    connected = threading.Semaphore(0)

    def slow(peer: Peer) -> None:
        connected.release()
        greet.wait(PATIENCE)
        PoliteRelay()(peer)

    with ScriptedRelay(slow) as relay, ThreadPoolExecutor(5) as threads:
        pool = make_pool(relay, max_size=2)
        uses = [threads.submit(use, pool) for _ in range(5)]
        for _ in range(2):
            assert connected.acquire(timeout=PATIENCE)
        stats = pool.stats()
        greet.set()
        accepted = [use.result(PATIENCE) for use in uses]
        pool.close()

    assert (stats.opening, stats.idle, stats.in_use) == (2, 0, 0)
    assert accepted == [True] * 5
    assert relay.connections == 2


def test_those_who_wait_are_served_in_their_order(relay, make_pool):
    pool = make_pool(relay, max_size=1)
    served: list[int] = []
    with ThreadPoolExecutor(5) as threads:
        with pool.session():
            waits = []
            for number in range(5):
                waits.append(
                    threads.submit(
                        lambda n: (
                            [served.append(n) for _ in [0]] if use(pool) else None
                        ),
                        number,
                    )
                )
                _wait_until(lambda n=number: pool.stats().waiting == n + 1)
        for wait in waits:
            wait.result(PATIENCE)

    assert served == [0, 1, 2, 3, 4]


def _wait_until(true) -> None:
    """Look again and again, for a state that no event tells of."""
    deadline = Deadline.after(PATIENCE)
    while not true():
        assert not deadline.passed


@pytest.mark.parametrize(
    ("limits", "deadline", "reason"),
    [
        ({"max_wait": 0.05}, Deadline, FailureReason.TIMEOUT),
        ({}, lambda: Deadline.after(0.05), FailureReason.DEADLINE),
    ],
)
def test_a_wait_that_runs_out_says_why_and_loses_nothing(
    relay, make_pool, limits, deadline, reason
):
    pool = make_pool(relay, max_size=1, **limits)
    with pool.session(), pytest.raises(PoolTimeout) as failed, pool.session(deadline()):
        pass
    accepted = use(pool)

    assert (failed.value.phase, failed.value.reason) == (Phase.POOL, reason)
    assert isinstance(failed.value, TimeoutError)
    assert pool.stats().wait_timeouts == 1
    assert accepted
    assert relay.connections == 1


def test_more_than_may_wait_are_turned_away(relay, make_pool):
    pool = make_pool(relay, max_size=1, max_waiting=0)
    with pool.session(), pytest.raises(PoolSaturated) as failed, pool.session():
        pass

    assert failed.value.phase is Phase.POOL


def test_an_opening_that_fails_frees_its_seat(make_pool):
    with ScriptedRelay(Peer.close, PoliteRelay()) as relay:
        pool = make_pool(relay, max_size=1)
        with pytest.raises(SessionError), pool.session():
            pass
        accepted = use(pool)
        pool.close()

    assert accepted
    assert pool.stats().created == 1


def test_draining_replaces_every_session(relay, make_pool):
    pool = make_pool(relay)
    with pool.session():
        use(pool)
        pool.drain(CloseReason.DEAD)
        while_lent = pool.stats()
    after = pool.stats()

    assert (while_lent.idle, while_lent.in_use) == (0, 1)
    assert after.closed_by == {CloseReason.DEAD: 2}
    assert use(pool)


def test_closing_says_goodbye_and_turns_away(relay, polite, make_pool):
    pool = make_pool(relay)
    use(pool)
    pool.close()

    assert polite.verbs[-1] == "QUIT"
    assert pool.stats().closed_by == {CloseReason.DRAINED: 1}
    with pytest.raises(PoolClosed), pool.session():
        pass


def test_closing_waits_for_lent_sessions(relay, polite, make_pool):
    pool = make_pool(relay)
    with ThreadPoolExecutor(1) as threads:
        with pool.session() as session:
            closing = threads.submit(pool.close, PATIENCE)
            _wait_until(lambda: "closed" in repr(pool))
            accepted = session.transact(a_mail(), Orders()).accepted
        closing.result(PATIENCE)

    assert accepted
    assert polite.verbs[-1] == "QUIT"


def test_closing_cuts_off_who_does_not_come_back(make_pool):
    with ScriptedRelay(
        then(ready(), lambda peer: peer.expect("MAIL .+"), Peer.expect_end)
    ) as relay:
        pool = make_pool(relay)
        with ThreadPoolExecutor(1) as threads:
            sending = threads.submit(use, pool)
            _wait_until(lambda: relay.heard[1:])
            pool.close(0.05)
            accepted = sending.result(PATIENCE)

    assert not accepted
    assert pool.stats().in_use == 0


def test_closing_ends_those_who_wait_and_those_who_open(make_pool):
    with ScriptedRelay(Peer.expect_end) as relay, ThreadPoolExecutor(2) as threads:
        pool = make_pool(relay, max_size=1)
        uses = [threads.submit(use, pool) for _ in range(2)]
        _wait_until(lambda: pool.stats().waiting == 1 and relay.connections == 1)
        pool.close(PATIENCE)
        ends = [type(use.exception(PATIENCE)) for use in uses]

    assert ends == [PoolClosed, PoolClosed]
    assert pool.stats().opening == 0


def test_the_pools_picture_shows_its_state(relay, make_pool):
    pool = make_pool(relay, max_size=4)
    with pool.session():
        use(pool)
        picture = repr(pool)

    assert (
        picture
        == "<SessionPool 'main' open: 1 idle, 1 in use, 0 opening of 4, 0 waiting>"
    )


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
    relay, polite, make_pool, clock, caplog
):
    broken, sound = make_pool(relay), make_pool(relay)
    broken.maintain = lambda: 1 / 0
    use(sound)
    upkeep = Upkeep()
    upkeep.add(broken)
    upkeep.add(sound)
    clock.now += 30
    upkeep.run_once()

    assert "NOOP" in polite.verbs
    assert "upkeep of pool" in caplog.text


def test_the_upkeep_thread_begins_and_ends():
    upkeep = Upkeep()
    upkeep.start()
    names = [thread.name for thread in threading.enumerate()]
    upkeep.stop()

    assert "postroom-upkeep" in names
