"""The threads that serve calls: one pool per kind of method, each of a fixed size.

A kind that is overloaded or attacked can't take the threads of another, so health and
reads answer while every delivery thread waits.  A pool counts what is in it in
`submit`, where every call passes exactly once; admission reads that count before it
lets a call in, so that the queue is bounded (`saturated`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import ParamSpec, TypeVar

import structlog

from postroom_server.domain.clock import Clock, SystemClock
from postroom_server.rpc.seats import Seats

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class PoolKind(Enum):
    """Which threads a method runs on."""

    DELIVER = "deliver"
    UPLOAD = "upload"
    STREAMS = "streams"
    RENDER = "render"
    CONTROL = "control"
    PROBE = "probe"
    HEALTH = "health"
    WATCH = "watch"
    EVENTS = "events"
    REFLECTION = "reflection"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """How many calls of a kind run, and how many may wait for a thread.

    *patience* is how long a call may take to bring its body (seconds) while others
    of its kind wait for a thread; the server's body time-out holds otherwise.
    """

    threads: int
    queued: int
    patience: float = 0.5


# A request to DELIVER or UPLOAD may be megabytes over a slow line, as may an answer
# of RENDER; the others are tiny.
# The queue of REJECT is bounded by the streams of all connections.
PLANS = {
    PoolKind.DELIVER: PoolPlan(256, 64, patience=5.0),
    PoolKind.UPLOAD: PoolPlan(32, 8, patience=5.0),
    # Each holds a thread that reads beside the one that writes.
    PoolKind.STREAMS: PoolPlan(64, 8, patience=5.0),
    PoolKind.RENDER: PoolPlan(8, 8, patience=5.0),
    PoolKind.CONTROL: PoolPlan(8, 256),
    PoolKind.PROBE: PoolPlan(4, 8),
    PoolKind.HEALTH: PoolPlan(2, 256, patience=0.25),
    PoolKind.WATCH: PoolPlan(16, 0),
    # Those who watch sleep most of the time, and nobody waits for one to end.
    PoolKind.EVENTS: PoolPlan(512, 0, patience=5.0),
    PoolKind.REFLECTION: PoolPlan(4, 16, patience=10.0),
    PoolKind.REJECT: PoolPlan(2, 1 << 20),
}


@dataclass(frozen=True, slots=True)
class PoolReading:
    """One consistent reading: gauges, then counters since the start."""

    threads: int
    busy: int
    queued: int
    started: int
    queue_seconds: float


class CountingPool(ThreadPoolExecutor):
    """Named threads, made on demand, and an exact count of the calls in them.

    *seats* are for the calls that are being served, by tenant; *shared* says that there
    are several.  A class of `ThreadPoolExecutor`, since gRPC takes nothing else.
    """

    def __init__(
        self,
        kind: PoolKind,
        plan: PoolPlan,
        clock: Clock | None = None,
        *,
        shared: bool = False,
    ) -> None:
        super().__init__(plan.threads, thread_name_prefix=f"postroom-rpc-{kind.value}")
        self.kind = kind
        self.plan = plan
        self.seats = Seats(plan.threads, shared=shared)
        self._clock = clock or SystemClock()
        self._count = _Count()
        self._closed = False
        # One thread from the start: `submit` counts on it when the system refuses
        # to make more.
        super().submit(int)

    @property
    def saturated(self) -> bool:
        """Whether one more call would have to wait longer than planned."""
        return self._count.inside >= self.plan.threads + self.plan.queued

    @property
    def pressed(self) -> bool:
        """Whether a call waits for a thread, or would be refused one."""
        return self._count.inside > self.plan.threads or self.seats.contested

    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        """Run *fn* on a thread of the pool; never raises.

        An exception here would end gRPC's polling thread, and with it every call.
        """
        ticket = _Ticket(self._count, self._clock)
        try:
            future = super().submit(ticket.run, fn, *args, **kwargs)
        except RuntimeError:
            return self._not_submitted(ticket)
        # Balances the count for calls that leave the queue without having run.
        future.add_done_callback(ticket.leave)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  the signature of the base class
        """Take no more work; to be called after the server has stopped."""
        self._closed = True
        super().shutdown(wait, cancel_futures=cancel_futures)

    def reading(self) -> PoolReading:
        """What is in the pool now, and how long calls have waited so far."""
        return self._count.reading(self.plan.threads)

    def _not_submitted(self, ticket: _Ticket) -> Future[_T]:
        future: Future[_T] = Future()
        if self._closed:
            ticket.leave()
            future.cancel()
        else:
            # The call is queued and only a further thread is missing: one of those
            # that run will take it.
            _log.warning("rpc.thread_not_started", pool=self.kind.value)
        return future


class _Count:
    """How many calls are in a pool: all of them, and those that have a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0
        self._started = 0
        self._queue_seconds = 0.0
        self.inside = 0

    def enter(self) -> None:
        with self._lock:
            self.inside += 1

    def start(self, waited: float) -> None:
        with self._lock:
            self._busy += 1
            self._started += 1
            self._queue_seconds += waited

    def leave(self, *, busy: bool) -> None:
        with self._lock:
            self.inside -= 1
            self._busy -= busy

    def reading(self, threads: int) -> PoolReading:
        with self._lock:
            queued = self.inside - self._busy
            return PoolReading(
                threads, self._busy, queued, self._started, self._queue_seconds
            )


class _Ticket:
    """One call's way through a pool; it leaves exactly once, run or not."""

    __slots__ = ("_clock", "_count", "_entered", "_left", "_started")

    def __init__(self, count: _Count, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._started = False
        self._left = False
        self._entered = clock.monotonic()
        count.enter()

    def run(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        self._started = True
        self._count.start(self._clock.monotonic() - self._entered)
        try:
            return fn(*args, **kwargs)
        finally:
            self.leave()

    def leave(self, _future: object = None) -> None:
        # By the thread that ran it, or by the one that took it out of the queue:
        # never by two at once.
        if not self._left:
            self._left = True
            self._count.leave(busy=self._started)
