from __future__ import annotations

import gc
import threading
import weakref
from contextlib import contextmanager
from queue import SimpleQueue

import pytest
import structlog
from postroom_server.rpc.pools import PLANS, CountingPool, PoolKind, PoolPlan

from tests.support.clocks import FakeClock

PATIENCE = 20


@contextmanager
def pool(threads=1, queued=1, clock=None):
    made = CountingPool(PoolKind.CONTROL, PoolPlan(threads, queued), clock)
    try:
        yield made
    finally:
        made.shutdown(wait=False)


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
        one.submit(lambda: (busy.set(), gate.wait(PATIENCE)))
        assert busy.wait(PATIENCE)
        for _ in range(2):
            one.submit(gate.wait, PATIENCE)
        during = one.reading()
        gate.set()
        one.shutdown()
        after = one.reading()

        assert (during.busy, during.queued) == (1, 2)
        assert (after.busy, after.queued, after.started) == (0, 0, 3)


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_work_that_fails_leaves_too_and_its_thread_goes_on(error):
    def fail():
        raise error

    with pool() as one:
        done = threading.Event()
        with structlog.testing.capture_logs() as logs:
            one.submit(fail)
            one.submit(done.set)
            assert done.wait(PATIENCE)
        one.shutdown()

        assert (one.reading().busy, one.reading().queued) == (0, 0)
        assert [log["event"] for log in logs] == ["rpc.call_broke"]


def test_what_is_queued_when_a_pool_is_closed_is_served(gate):
    with pool(threads=2, queued=5) as one:
        served = [threading.Event() for _ in range(5)]
        one.submit(gate.wait, PATIENCE)
        for event in served:
            one.submit(event.set)
        one.shutdown(wait=False)
        gate.set()

        assert all(event.wait(PATIENCE) for event in served)


def test_nothing_of_a_call_is_kept_by_the_thread_that_served_it():
    class Request:
        """What a call holds."""

        def answer(self):
            """Nothing is to be done."""

    with pool() as one:
        gone = threading.Event()
        request = Request()
        weakref.finalize(request, gone.set)
        one.submit(request.answer)
        del request

        assert gone.wait(PATIENCE)


def test_a_pool_that_is_forgotten_leaves_no_thread_behind():
    forgotten = CountingPool(PoolKind.CONTROL, PoolPlan(2, 1))
    (thread,) = forgotten._line._threads
    del forgotten
    gc.collect()
    thread.join(PATIENCE)

    assert not thread.is_alive()


def test_grpc_is_told_at_once_that_a_call_no_longer_counts_for_its_own_limit(gate):
    with pool() as one:
        told = []
        one.submit(gate.wait, PATIENCE).add_done_callback(told.append)

        assert len(told) == 1


def test_the_wait_for_a_thread_is_measured(gate):
    clock = FakeClock()
    with pool(threads=1, queued=1, clock=clock) as one:
        begun = threading.Event()
        one.submit(lambda: (begun.set(), gate.wait(PATIENCE)))
        assert begun.wait(PATIENCE)
        one.submit(int)
        clock.advance(3)
        gate.set()
        one.shutdown()

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
        one.submit(int)

        assert (one.reading().started, one.reading().queued) == (0, 0)


def test_threads_are_made_on_demand_and_named_after_their_kind():
    with pool(threads=8) as one:
        names = SimpleQueue()
        for _ in range(3):
            one.submit(lambda: names.put(threading.current_thread().name))
            assert names.get(timeout=PATIENCE).startswith("postroom-rpc-control_")
        assert len(one._line._threads) <= 3
        one.shutdown()


def test_there_are_never_more_threads_than_planned(gate):
    with pool(threads=3, queued=9) as one:
        for _ in range(9):
            one.submit(gate.wait, PATIENCE)

        assert len(one._line._threads) == 3
