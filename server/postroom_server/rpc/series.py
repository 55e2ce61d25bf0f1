"""The series of the gRPC side: calls by method, and the threads that serve them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom_server.domain.clock import MICROSECONDS
from postroom_server.rpc.server import RpcServer, ServerReading
from postroom_server.rpc.server_info import server_version
from postroom_server.telemetry.series import Reading, counter, gauge, histogram, single

BUILD = gauge("build_info", "Always 1; version and instance.", "version", "instance")
READY = gauge("ready", "Whether mail is taken: 1, or 0.")
STARTED = counter("rpc_started", "Calls whose headers came.", "method")
HANDLED = counter("rpc_handled", "Calls that ended.", "method", "code")
REFUSED = counter(
    "rpc_refused", "Calls that ended with a reason of ErrorReason.", "method", "reason"
)
SECONDS = histogram(
    "rpc_seconds", "From the headers of a call to its answer.", "method"
)
SHED = counter("rpc_shed", "Calls turned away at the door.", "cause")
SILENT = counter("rpc_silent", "Calls ended because their caller was silent.")
STREAMS = gauge("rpc_streams", "Streams that are open.")
THREADS = gauge("rpc_pool_threads", "Threads that there may be.", "pool")
CALLS = gauge("rpc_pool_calls", "Calls in a pool: running or queued.", "pool", "state")
BEGUN = counter("rpc_pool_begun", "Calls that got a thread.", "pool")
QUEUED = counter(
    "rpc_pool_queue_seconds", "Time that calls waited for a thread.", "pool"
)
CERTIFICATE = gauge(
    "certificate_not_after_seconds", "When our certificate ends, in Unix time."
)


@dataclass(frozen=True, slots=True)
class RpcSeries:
    """Reads the series of *server*, which runs as *instance*."""

    server: RpcServer
    instance: str

    def __call__(self) -> Iterator[Reading]:
        now = self.server.reading()
        yield Reading(BUILD, {(server_version(), self.instance): 1})
        yield single(READY, now.ready)
        ends = now.certificate_ends
        yield Reading(CERTIFICATE, {} if ends is None else {(): ends / MICROSECONDS})
        yield from _calls(now)
        yield from _pools(now)


def _calls(now: ServerReading) -> Iterator[Reading]:
    calls = now.calls
    yield Reading(STARTED, {(method,): count for method, count in now.came.items()})
    yield Reading(HANDLED, calls.handled)
    yield Reading(REFUSED, calls.refused)
    yield Reading(SECONDS, {(method,): d for method, d in calls.seconds.items()})
    yield Reading(SHED, {(why.name,): n for why, n in now.turned_away.items()})
    yield single(SILENT, now.silent)
    yield single(STREAMS, now.streams)


def _pools(now: ServerReading) -> Iterator[Reading]:
    pools = {kind.value: reading for kind, reading in now.pools.items()}
    yield Reading(THREADS, {(name,): pool.threads for name, pool in pools.items()})
    states = {
        (name, state): count
        for name, pool in pools.items()
        for state, count in (("running", pool.busy), ("queued", pool.queued))
    }
    yield Reading(CALLS, states)
    yield Reading(BEGUN, {(name,): pool.started for name, pool in pools.items()})
    waited = {(name,): pool.queue_seconds for name, pool in pools.items()}
    yield Reading(QUEUED, waited)
