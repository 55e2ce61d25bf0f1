"""More threads than sessions, and the end of a pool."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.errors import (
    PoolClosed,
    PoolSaturated,
    PoolTimeout,
)
from postroom_server.smtp.timeouts import Deadline

from tests.support.controls import Orders, a_mail
from tests.support.pools import use, wait_until
from tests.support.relays import PoliteRelay, ready, then
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay


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
                wait_until(lambda n=number: pool.stats().waiting == n + 1)
        for wait in waits:
            wait.result(PATIENCE)

    assert served == [0, 1, 2, 3, 4]


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


def test_a_wait_that_is_broken_off_leaves_the_queue(relay, make_pool):
    def broken() -> Deadline:
        raise KeyboardInterrupt

    pool = make_pool(relay, max_size=1)
    with pool.session(), pytest.raises(KeyboardInterrupt), pool.session(broken):
        pass
    accepted = use(pool)

    assert accepted
    assert pool.stats().waiting == 0


def test_more_than_may_wait_are_turned_away(relay, make_pool):
    pool = make_pool(relay, max_size=1, max_waiting=0)
    with pool.session(), pytest.raises(PoolSaturated) as failed, pool.session():
        pass

    assert failed.value.phase is Phase.POOL


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
            wait_until(lambda: "closed" in repr(pool))
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
            wait_until(lambda: relay.heard[1:])
            pool.close(0.05)
            accepted = sending.result(PATIENCE)

    assert not accepted
    assert pool.stats().in_use == 0


def test_closing_ends_those_who_wait_and_those_who_open(make_pool):
    with ScriptedRelay(Peer.expect_end) as relay, ThreadPoolExecutor(2) as threads:
        pool = make_pool(relay, max_size=1)
        uses = [threads.submit(use, pool) for _ in range(2)]
        wait_until(lambda: pool.stats().waiting == 1 and relay.connections == 1)
        pool.close(PATIENCE)
        ends = [type(use.exception(PATIENCE)) for use in uses]

    assert ends == [PoolClosed, PoolClosed]
    assert pool.stats().opening == 0
