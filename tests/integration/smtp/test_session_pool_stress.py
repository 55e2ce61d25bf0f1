"""Many threads, a relay that fails at random, and nothing is lost or too much."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import PoolSettings
from postroom_server.smtp.timeouts import Deadline

from tests.support.controls import Orders, a_mail
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay

THREADS = 32
ROUNDS = 12
SIZE = 5


class Moody:
    """Behaves, but for a share of its connections, which end somewhere."""

    def __init__(self, seed: int, offer: tuple[str, ...]) -> None:
        self._offer = offer
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        with self._lock:
            mood = self._random.choice(
                ["fine", "fine", "refuses", "drops", "leaves", "greylists"]
            )
        answers = {
            "refuses": {"GREETING": ["421 busy"]},
            "drops": {"BODY": ["250 ok", "421 bye"]},
            "greylists": {"RCPT": ["450 later"] * 2},
        }
        if mood == "leaves":
            peer.reset()
        else:
            PoliteRelay(self._offer, answers=answers.get(mood, {}))(peer)


OFFERS = {
    "alone": (("PIPELINING", "CHUNKING"), 1),
    "whole": (("PIPELINING", "CHUNKING"), 4),
    "envelope": (("PIPELINING",), 1),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("offer", "in_flight"), OFFERS.values(), ids=OFFERS.keys())
def test_no_seat_is_lost_and_none_is_taken_twice(seed, offer, in_flight):
    relay_script = Moody(seed, offer)
    chance = random.Random(seed)
    broken: list[str] = []
    stop = threading.Event()
    start = threading.Barrier(THREADS + 1)

    def look_after(pool: SessionPool) -> None:
        while not stop.is_set():
            stats = pool.stats()
            if stats.idle + stats.in_use + stats.opening > SIZE:
                broken.append(repr(stats))
            pool.maintain()

    def deliver(pool: SessionPool) -> int:
        start.wait(PATIENCE)
        accepted = 0
        for _ in range(ROUNDS):
            deadline = Deadline.after(chance.choice([0.001, PATIENCE, PATIENCE]))
            try:
                with pool.session(deadline) as session:
                    accepted += session.transact(a_mail(), Orders(deadline)).accepted
            except SessionError:
                continue
        return accepted

    with (
        ScriptedRelay(relay_script) as relay,
        ThreadPoolExecutor(THREADS + 1) as threads,
    ):
        limits = PoolSettings(max_size=SIZE, max_messages=20, heartbeat=0.001)
        pool = SessionPool.of(relay.settings(pool=limits, in_flight=in_flight))
        deliveries = [threads.submit(deliver, pool) for _ in range(THREADS)]
        upkeep = threads.submit(look_after, pool)
        start.wait(PATIENCE)
        accepted = sum(d.result(30) for d in deliveries)
        stop.set()
        upkeep.result(PATIENCE)
        at_rest = pool.stats()
        pool.close()
    end = pool.stats()

    assert broken == []
    assert accepted > THREADS
    assert (at_rest.in_use, at_rest.opening, at_rest.waiting) == (0, 0, 0)
    assert (end.idle, end.in_use) == (0, 0)
    assert end.created == end.closed
