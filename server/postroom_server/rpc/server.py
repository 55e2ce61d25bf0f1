"""The server: builds the parts, opens the door, and closes it without losing a call.

Leaving goes in this order: health says NOT_SERVING, balancers get time to notice, new
calls are refused, the port is closed, calls in flight finish within the grace, and the
pools go last (a pool that is gone before the server hangs every later call).
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import grpc

from postroom_server.domain.clock import Clock, Instant, SystemClock
from postroom_server.rpc.access_log import Observer, log_call
from postroom_server.rpc.adapter import Serving
from postroom_server.rpc.admission import Gate, Refusal
from postroom_server.rpc.call_counts import CallCounts, CallReading
from postroom_server.rpc.certificates import ServerCertificates
from postroom_server.rpc.credentials import Credentials
from postroom_server.rpc.health import HealthBoard
from postroom_server.rpc.listening import listening
from postroom_server.rpc.methods import (
    DELIVERY_SERVICE_NAME,
    Behaviour,
    served_methods,
)
from postroom_server.rpc.pools import (
    PLANS,
    CountingPool,
    PoolKind,
    PoolPlan,
    PoolReading,
)
from postroom_server.rpc.routes import RouteTable
from postroom_server.rpc.settings import RpcSettings
from postroom_server.rpc.streams import OpenStreams
from postroom_server.rpc.watchdog import Watchdog

_LINGER = 1.0
"""Seconds for the last answers to get through to slow callers."""
_STOP_MARGIN = 5.0
"""Seconds beyond the grace in which gRPC must have ended all calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReading:
    """What a server counts; *came* by method, *silent* callers were ended.

    *certificate_ends*: our own, that of TLS.
    """

    ready: bool
    came: Mapping[str, int]
    turned_away: Mapping[Refusal, int]
    calls: CallReading
    pools: Mapping[PoolKind, PoolReading]
    streams: int
    silent: int
    certificate_ends: Instant | None


def _by_label(came: Mapping[str, int]) -> Mapping[str, int]:
    by_label: Counter[str] = Counter()
    for path, count in came.items():
        by_label[path.rpartition(".")[2]] += count
    return by_label


def _nothing() -> None:
    """Nothing is to be done."""


class RpcServer:
    """DeliveryService, health and reflection on one address.

    *behaviours* answer the methods of DeliveryService and RelayService, by bare name.
    *observers* are told of each finished call.  Raises `MethodTableError` if a method
    has no behaviour.
    """

    def __init__(
        self,
        settings: RpcSettings,
        behaviours: Mapping[str, Behaviour],
        health: HealthBoard,
        *,
        observers: Sequence[Observer] = (log_call,),
        plans: Mapping[PoolKind, PoolPlan] = PLANS,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        methods = served_methods(behaviours, settings.max_wait)
        self.settings = settings
        self.health = health
        self._clock = clock
        self.address = ""
        self._watchdog = Watchdog(clock)
        self._streams = OpenStreams()
        self._counts = CallCounts()
        self._certificates: ServerCertificates | None = None
        credentials = Credentials(settings.credentials, clock)
        several = credentials.of_several_tenants
        self._pools = {
            kind: CountingPool(kind, plans[kind], clock, shared=several)
            for kind in PoolKind
        }
        serving = Serving(
            clock,
            credentials,
            self._watchdog,
            (*observers, self._counts),
            self._streams,
        )
        table = RouteTable(self._pools, serving, settings)
        table.add_methods(methods)
        table.add_health(health)
        if settings.reflection:
            table.add_reflection()
        self._admission = table.admission()
        self._server = self._build()
        self._hurry = threading.Event()
        self._leaving = threading.Lock()
        self._release = ExitStack()
        health.set(DELIVERY_SERVICE_NAME, False)

    def _build(self) -> grpc.Server:
        # Every endpoint names its pool, so the server's own is never used.
        server = grpc.server(
            self._pools[PoolKind.REJECT], options=self.settings.channel_options()
        )
        server.add_generic_rpc_handlers((self._admission,))
        return server

    @property
    def port(self) -> int:
        """The TCP port; 0 for a Unix socket."""
        port = self.address.rpartition(":")[2]
        return int(port) if port.isdecimal() else 0

    def pools(self) -> Mapping[PoolKind, PoolReading]:
        """How busy each kind of method is."""
        return {kind: pool.reading() for kind, pool in self._pools.items()}

    @property
    def is_ready(self) -> bool:
        """Whether mail is taken."""
        return self._admission.gate is Gate.OPEN

    def reading(self) -> ServerReading:
        """All that is counted here, now."""
        kept = self._certificates
        return ServerReading(
            ready=self.is_ready,
            came=_by_label(self._admission.came),
            turned_away=dict(self._admission.turned_away),
            calls=self._counts.reading(),
            pools=self.pools(),
            streams=len(self._streams),
            silent=self._watchdog.ended,
            certificate_ends=kept.not_after if kept else None,
        )

    def start(self) -> None:
        """Listen; mail is refused with NOT_READY until `set_ready`.

        Raises `ListenError`; the server is of no further use then.
        """
        try:
            self.address = self._release.enter_context(
                listening(self._server, self.settings, self._clock, self._keep)
            )
        except BaseException:
            self._shut_pools()
            raise
        self._watchdog.start()
        self._server.start()

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001  the value itself
        """Take mail, or refuse it with NOT_READY (starting, or the store is away)."""
        if self._admission.gate is not Gate.DRAINING:
            self._admission.gate = Gate.OPEN if ready else Gate.NOT_READY
            self.health.set(DELIVERY_SERVICE_NAME, ready)

    def drain(self, grace: float, on_closed: Callable[[], None] = _nothing) -> None:
        """Leave in order; calls in flight have *grace* seconds to finish.

        *on_closed* is called when new calls are refused, before the others are waited
        for.

        Returns when no call is left.  `stop` from another thread cuts the delay short.
        """
        self.health.drain()
        self._hurry.wait(self.settings.drain_delay)
        self._admission.gate = Gate.DRAINING
        on_closed()
        self._leave(grace)

    def stop(self) -> None:
        """Leave at once; calls in flight are cancelled."""
        self._hurry.set()
        self.health.drain()
        self._leave(0.0)

    def _keep(self, certificates: ServerCertificates) -> None:
        self._certificates = certificates

    def _leave(self, grace: float) -> None:
        self._admission.gate = Gate.DRAINING
        self._streams.close()
        self._await_calls(self._server.stop(grace), grace)
        with self._leaving:
            self._watchdog.close()
            self._release.close()
            self._shut_pools()

    def _await_calls(self, stopped: threading.Event, grace: float) -> None:
        """Wait for all calls, but not for callers that are frozen and have none.

        gRPC says goodbye to every connection and waits for its answer.
        """
        rounds = math.ceil((grace + _STOP_MARGIN) / _LINGER)
        for _ in range(rounds):
            if stopped.wait(_LINGER):
                return
            if not any(one.busy + one.queued for one in self.pools().values()):
                self._server.stop(None)

    def _shut_pools(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False)
