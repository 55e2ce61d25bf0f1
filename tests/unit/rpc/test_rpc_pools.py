from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from postroom_server.rpc.pools import PLANS, CountingPool, PoolKind, PoolPlan

from tests.support.clocks import FakeClock

PATIENCE = 20


@contextmanager
def pool(threads=1, queued=1, clock=None):
    made = CountingPool(PoolKind.CONTROL, PoolPlan(threads, queued), clock)
    try:
        yield made
    finally:
        made.shutdown(cancel_futures=True)


@pytest.fixture
def gate():
    event = threading.Event()
    yield event
    event.set()


def test_every_kind_has_its_plan():
    assert set(PLANS) == set(PoolKind)


def test_a_pool_is_saturated_when_threads_and_queue_are_full(gate):
    with pool(threads=2, queued=1) as one:
        states = []
        for _ in range(4):
            states.append((one.pressed, one.saturated))
            one.submit(gate.wait, PATIENCE)
        gate.set()

        assert states == [(False, False), (False, False), (False, False), (True, True)]


def test_what_is_inside_is_counted_and_leaves_again(gate):
    with pool(threads=1, queued=5) as one:
        busy = threading.Event()
        one.submit(busy.set)
        assert busy.wait(PATIENCE)
        works = [one.submit(gate.wait, PATIENCE) for _ in range(3)]
        during = one.reading()
        gate.set()
        for work in works:
            work.result(PATIENCE)
        after = one.reading()

        assert during.busy + during.queued == 3
        assert (after.busy, after.queued, after.started) == (0, 0, 4)


def test_work_that_fails_leaves_too():
    with pool() as one:
        with pytest.raises(ZeroDivisionError):
            one.submit(divmod, 1, 0).result(PATIENCE)

        assert (one.reading().busy, one.reading().queued) == (0, 0)


def test_work_that_is_cancelled_in_the_queue_leaves_too(gate):
    with pool(threads=1, queued=5) as one:
        first = one.submit(gate.wait, PATIENCE)
        waiting = [one.submit(gate.wait, PATIENCE) for _ in range(3)]
        cancelled = [work.cancel() for work in waiting]
        gate.set()
        first.result(PATIENCE)

        assert cancelled == [True, True, True]
        assert (one.reading().busy, one.reading().queued) == (0, 0)
        assert not one.saturated


def test_the_wait_for_a_thread_is_measured(gate):
    clock = FakeClock()
    with pool(threads=1, queued=1, clock=clock) as one:
        begun = threading.Event()
        one.submit(lambda: (begun.set(), gate.wait(PATIENCE)))
        assert begun.wait(PATIENCE)
        second = one.submit(int)
        clock.advance(3)
        gate.set()
        second.result(PATIENCE)

        assert one.reading().queue_seconds == 3


def test_a_thread_that_can_t_be_made_does_not_reach_grpc(monkeypatch, gate):
    with pool(threads=4, queued=4) as one:
        begun = threading.Event()
        one.submit(lambda: (begun.set(), gate.wait(PATIENCE)))
        assert begun.wait(PATIENCE)
        done = threading.Event()

        def start(_thread):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        one.submit(done.set)
        gate.set()

        assert done.wait(PATIENCE)


def test_a_closed_pool_refuses_quietly():
    with pool() as one:
        one.shutdown()
        work = one.submit(int)

        assert work.cancelled()
        assert one.reading().queued == 0


def test_threads_are_made_on_demand_and_named_after_their_kind():
    with pool(threads=8) as one:
        name = one.submit(lambda: threading.current_thread().name).result(PATIENCE)

        assert name.startswith("postroom-rpc-control")
        assert len(one._threads) <= 2
