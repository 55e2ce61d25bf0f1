"""The threads that serve calls: one pool per kind of method, each of a fixed size.

A kind that is overloaded or attacked can't take the threads of another, so health and
reads answer while every delivery thread waits.  A pool counts what is in it in
`submit`, where every call passes exactly once; admission reads that count before it
lets a call in, so that the queue is bounded (`saturated`).

gRPC takes nothing but a `ThreadPoolExecutor`, and uses no more of it than `submit`.
The queue and the threads are ours: a `Future` for each call, with a condition and its
callbacks, costs more than all that is asked of it, which is nothing.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from queue import SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

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
    are several.  What `submit` returns says nothing about the call.
    """

    def __init__(
        self,
        kind: PoolKind,
        plan: PoolPlan,
        clock: Clock | None = None,
        *,
        shared: bool = False,
    ) -> None:
        super().__init__(plan.threads)
        self.kind = kind
        self.plan = plan
        self.seats = Seats(plan.threads, shared=shared)
        self._clock = clock or SystemClock()
        self._line = _Line(kind, plan.threads, self._clock)
        self._submitted: Future[Any] = _Submitted()
        # A pool that nobody shuts down leaves no threads behind either.
        weakref.finalize(self, self._line.close)

    @property
    def saturated(self) -> bool:
        """Whether one more call would have to wait longer than planned."""
        return self._line.inside >= self.plan.threads + self.plan.queued

    @property
    def pressed(self) -> bool:
        """Whether a call waits for a thread, or would be refused one."""
        return self._line.inside > self.plan.threads or self.seats.contested

    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        """Run *fn* on a thread of the pool; never raises.

        An exception here would end gRPC's polling thread, and with it every call.
        """
        self._line.add(_Call(self._clock.monotonic(), fn, args, kwargs))
        return self._submitted

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  the signature of the base class
        """Take no more work; to be called after the server has stopped."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._line.close()
        if wait:
            self._line.join()

    def reading(self) -> PoolReading:
        """What is in the pool now, and how long calls have waited so far."""
        return self._line.reading()


class _Submitted(Future[Any]):
    """Stands for every call of a pool: gRPC counts those that have not ended, for a
    limit that nobody sets (`maximum_concurrent_rpcs`).
    """

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        fn(self)


class _Call(NamedTuple):
    """What is to be run, and since when it waits."""

    entered: float
    function: Callable[..., object]
    arguments: tuple[Any, ...]
    named: dict[str, Any]


class _Line:
    """The calls in a pool, and the threads that serve them.

    Every thread but the first is made for a call that would find none.
    """

    def __init__(self, kind: PoolKind, most: int, clock: Clock) -> None:
        self._kind = kind
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._busy = 0
        self._started = 0
        self._queue_seconds = 0.0
        self.inside = 0
        # One from the start: `add` counts on it when the system refuses to make more.
        self._add_thread()

    def add(self, call: _Call) -> None:
        with self._lock:
            if self._closed:
                return
            self.inside += 1
            self._calls.put(call)
            lacking = len(self._threads) < min(self.inside, self._most)
        if lacking:
            self._try_to_add_thread()

    def close(self) -> None:
        """Nothing more is taken; what is in the line is still served."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._calls.put(None)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def reading(self) -> PoolReading:
        with self._lock:
            queued = self.inside - self._busy
            return PoolReading(
                self._most, self._busy, queued, self._started, self._queue_seconds
            )

    def _try_to_add_thread(self) -> None:
        try:
            self._add_thread()
        except RuntimeError:
            # The call is queued and only a further thread is missing: one of those
            # that run will take it.
            _log.warning("rpc.thread_not_started", pool=self._kind.value)

    def _add_thread(self) -> None:
        with self._lock:
            if self._closed or len(self._threads) == self._most:
                return
            name = f"postroom-rpc-{self._kind.value}_{len(self._threads)}"
            # Under the lock, so that each that runs is told when the pool closes.
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self) -> None:
        while self._run(self._calls.get()):
            # Nothing of a call is held here while the next one is awaited.
            continue

    def _run(self, call: _Call | None) -> bool:
        if call is None:
            return False
        waited = self._clock.monotonic() - call.entered
        with self._lock:
            self._busy += 1
            self._started += 1
            self._queue_seconds += waited
        try:
            call.function(*call.arguments, **call.named)
        except BaseException:  # noqa: BLE001  the thread has other calls to serve
            _log.exception("rpc.call_broke", pool=self._kind.value)
        finally:
            with self._lock:
                self.inside -= 1
                self._busy -= 1
        return True
