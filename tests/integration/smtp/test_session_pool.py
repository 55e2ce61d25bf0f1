"""The pool over real sockets: reuse, liveness, and who may not come back."""

from __future__ import annotations

import threading

import pytest
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.errors import (
    SessionError,
)

from tests.support.controls import Orders, a_mail
from tests.support.pools import use
from tests.support.relays import PoliteRelay, ready, speaks_while_idle, then
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay


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


def test_an_opening_that_fails_frees_its_seat(make_pool):
    with ScriptedRelay(Peer.close, PoliteRelay()) as relay:
        pool = make_pool(relay, max_size=1)
        with pytest.raises(SessionError), pool.session():
            pass
        accepted = use(pool)
        pool.close()

    assert accepted
    assert pool.stats().created == 1


def test_the_pools_picture_shows_its_state(relay, make_pool):
    pool = make_pool(relay, max_size=4)
    with pool.session():
        use(pool)
        picture = repr(pool)

    assert (
        picture
        == "<SessionPool 'main' open: 1 idle, 1 in use, 0 opening of 4, 0 waiting>"
    )
