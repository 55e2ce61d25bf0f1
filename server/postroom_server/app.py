"""The composition root: builds every part from the configuration, in order.

The only place that names concrete classes.  Everything built is pushed on one stack and
unwound in reverse, so that a failure half-way leaves nothing behind: no mail is taken
before the store is recovered, and no pool is closed before its deliveries have ended.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from postroom_server.config import Config, RelayConfig
from postroom_server.delivery.engine import DeliveryEngine, EngineParts
from postroom_server.delivery.event_series import EventSeries
from postroom_server.delivery.gate import connections_of
from postroom_server.delivery.observing import Observer
from postroom_server.delivery.queue_series import PoolSeries, QueueSeries, StoreSeries
from postroom_server.delivery.relay import Relay, RelayWatch
from postroom_server.delivery.relays import Relays
from postroom_server.delivery.series import DeliverySeries
from postroom_server.delivery.statistics import Statistics
from postroom_server.delivery.throttle import Throttle
from postroom_server.domain.clock import Clock, SystemClock
from postroom_server.domain.counters import NOTHING
from postroom_server.domain.pacing import Rate
from postroom_server.domain.principal import several_tenants
from postroom_server.opening import OpenStore, marks_of, open_outbox
from postroom_server.outbox.tokens import Tokens
from postroom_server.rpc.delivery import DeliveryBehaviours
from postroom_server.rpc.health import HealthBoard
from postroom_server.rpc.relays import RelayBehaviours
from postroom_server.rpc.series import RpcSeries
from postroom_server.rpc.server import RpcServer
from postroom_server.rpc.server_info import ServerFacts
from postroom_server.rpc.settings import RpcSettings
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.pool_upkeep import Upkeep
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import PoolSettings, RelaySettings
from postroom_server.smtp.token_sources import TokenCommand, TokenFile
from postroom_server.smtp.tokens import Tokens as LogInTokens
from postroom_server.smtp.turnstile import paced
from postroom_server.telemetry.exposition import Exposition
from postroom_server.telemetry.meter import Meter
from postroom_server.telemetry.series import Source
from postroom_server.web.pages import pages
from postroom_server.web.server import HttpServer
from postroom_server.web.settings import HttpSettings

SWITCH_INTERVAL = 0.0005
"""Seconds that a thread computes before another may.  With the default of 5 ms, health
waits for every busy thread in turn: 354 ms beside eight of them, against 30 ms."""

_log = structlog.get_logger(__name__)


class App:
    """The service in one process: `start` it, `drain` it; a context manager."""

    engine: DeliveryEngine
    server: RpcServer
    metrics_address: str = ""

    def __init__(
        self,
        config: Config,
        *,
        insecure_plaintext: bool = False,
        insecure_tokens: bool = False,
        series: Sequence[Source] = (),
        clock: Clock | None = None,
        open_store: OpenStore = open_outbox,
    ) -> None:
        self.config = config
        self.health = HealthBoard()
        self._insecure_plaintext = insecure_plaintext
        self._insecure_tokens = insecure_tokens
        self._clock = clock or SystemClock()
        self._series = series
        self._open_store = open_store
        self._stack = ExitStack()

    def start(self) -> None:
        """Open the store, recover, deliver, listen.

        Raises `StoreUnusableError` or `ListenError`, with nothing left behind.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        with ExitStack() as stack:
            self.engine = self._build_engine(stack)
            self.server = self._build_server()
            self.server.start()
            stack.callback(self.server.stop)
            self.engine.start()
            stack.callback(self.engine.close)
            self.server.set_ready(True)
            self._outbox.watch(self.server.set_ready)
            self._serve_metrics(stack)
            self._stack = stack.pop_all()
        _log.info("service.ready", address=self.server.address)

    def drain(self) -> None:
        """Leave in order: nothing accepted is lost, what was begun may end.

        Health says so first; attempts and callers get the configured grace; what is
        still queued stays so, for the next start.
        """
        settings = self.config.server
        _log.info("service.draining", grace=settings.drain_grace)
        ends_at = self._clock.monotonic() + settings.drain_grace
        self.server.drain(settings.drain_grace, self.engine.stop_claiming)
        self.engine.drain(max(0.0, ends_at - self._clock.monotonic()))
        self.close()
        _log.info("service.stopped")

    def close(self) -> None:
        """Leave at once.  May be repeated."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _build_engine(self, stack: ExitStack) -> DeliveryEngine:
        clock = self._clock
        self._instance = secrets.token_hex(8)
        self._started_at = clock.now()
        self._meter = meter = Meter(clock)
        observer = Observer(meter)
        self._outbox = outbox = self._open_store(self.config, clock, observer.stored)
        stack.callback(outbox.close)
        marks = stack.enter_context(marks_of(self.config, outbox))
        # The last commits clear marks.
        stack.callback(outbox.finish)
        relays = Relays(self._build_relays(stack), self.config.default_relay)
        for relay in relays:
            # Its series begin at 0, not with its first mail.
            meter.record(relay.id, NOTHING)
        parts = EngineParts(
            outbox=outbox,
            pauses=outbox.pauses,
            blobs=outbox.blobs,
            marks=marks,
            relays=relays,
            clock=clock,
            limits=self.config.limits,
            observer=observer,
            statistics=Statistics(
                outbox=outbox,
                meter=meter,
                relays=relays,
                clock=clock,
                instance=self._instance,
                started_at=self._started_at,
            ),
            several_tenants=several_tenants(self.config.credentials),
            tenants=self.config.tenants,
            tokens=outbox.tokens,
            quotas=outbox.quotas,
            sharing=outbox.sharing,
            fleet=outbox.fleet,
        )
        return DeliveryEngine(parts)

    def _build_relays(self, stack: ExitStack) -> Mapping[str, Relay]:
        upkeep = Upkeep()
        stack.callback(upkeep.stop)
        relays = {}
        for config in self.config.relays.values():
            on_health = self._health_of(config.id)
            tokens = self._outbox.tokens
            relay = build_relay(config, self._clock.monotonic, on_health, tokens)
            if relay.settings.tokens is not None:
                stack.callback(relay.settings.tokens.close)
            stack.callback(relay.pool.close)
            upkeep.add(relay.pool)
            on_health(True)
            relays[relay.id] = relay
        # Pools are closed before their upkeep ends; both orders are safe for it.
        upkeep.start()
        return relays

    def _serve_metrics(self, stack: ExitStack) -> None:
        """Last of all, and gone last when draining: it tells of the others."""
        listen, clock = self.config.metrics.listen, self._clock
        if not listen:
            return
        outbox, engine = self._outbox, self.engine
        sources: Sequence[Source] = (
            RpcSeries(self.server, self._instance),
            DeliverySeries(self._meter),
            PoolSeries(engine),
            StoreSeries(outbox),
            QueueSeries(engine, outbox, clock),
            EventSeries(engine.events),
            *self._series,
        )
        exposition = Exposition(sources, clock.monotonic)
        served = pages(exposition, lambda: self.server.is_ready)
        http = HttpServer(HttpSettings(listen=listen), served)
        stack.callback(http.close)
        http.start()
        self.metrics_address = http.address
        _log.info("metrics.ready", address=http.address)

    def _health_of(self, relay_id: str) -> Callable[[bool], None]:
        return partial(self.health.set, f"relays/{relay_id}")

    def _build_server(self) -> RpcServer:
        limits = self.config.limits
        settings = RpcSettings(
            listen=self.config.listen,
            shares_port=self.config.server.processes > 1,
            insecure_plaintext=self._insecure_plaintext,
            insecure_tokens=self._insecure_tokens,
            tls=self.config.server.tls,
            credentials=self.config.credentials,
            max_request_bytes=limits.max_request_bytes,
            max_wait=limits.max_wait,
            body_timeout=self.config.server.body_timeout,
            drain_delay=self.config.server.drain_delay,
        )
        facts = ServerFacts(
            instance=self._instance,
            started_at=self._started_at,
            limits=limits,
            reflection=settings.reflection,
        )
        behaviours = DeliveryBehaviours(self.engine, facts, self._clock).behaviours()
        relays = RelayBehaviours(self.engine).behaviours()
        return RpcServer(
            settings, {**behaviours, **relays}, self.health, clock=self._clock
        )


def build_relay(
    config: RelayConfig,
    monotonic: Callable[[], float],
    on_health: Callable[[bool], None],
    tokens: Tokens,
) -> Relay:
    """The relay that *config* describes, with an empty pool of its own."""
    settings = relay_settings(config)
    pool = _pool(settings, config.limits.connections, tokens)
    return Relay(
        settings=settings,
        pool=pool,
        watch=RelayWatch(monotonic, on_health, name=config.id, circuit=config.circuit),
        throttle=Throttle(pool.places, monotonic),
        limits=config.limits,
        retry=config.retry,
        from_address=config.from_address,
        envelope_from=config.envelope_from,
    )


def _pool(settings: RelaySettings, rate: Rate | None, tokens: Tokens) -> SessionPool:
    if rate is None:
        return SessionPool.of(settings)
    scope = connections_of(settings.id)

    def leave() -> float:
        grant = tokens.take(scope, rate, 1)
        return 0.0 if grant.taken else grant.wait

    opener = paced(partial(open_session, settings), leave, settings.pool.max_wait)
    return SessionPool(opener, settings.pool, settings.id)


def relay_settings(config: RelayConfig) -> RelaySettings:
    """How the relay that *config* describes is reached."""
    return RelaySettings(
        id=config.id,
        host=config.host,
        port=config.port,
        encryption=config.encryption,
        username=config.username,
        password=config.password,
        tokens=_tokens(config),
        auth_mechanism=config.auth_mechanism,
        tls_verify=config.tls_verify,
        tls_ca_file=config.tls_ca_file,
        ehlo_name=config.ehlo_name,
        in_flight=config.in_flight,
        timeouts=config.timeouts,
        pool=PoolSettings(
            max_size=config.pool_size,
            idle_timeout=config.idle_timeout,
            max_age=config.max_age,
            max_messages=config.max_messages,
            heartbeat=config.heartbeat,
        ),
    )


def _tokens(config: RelayConfig) -> LogInTokens | None:
    timeout = config.token_timeout
    if config.token_command:
        return LogInTokens(TokenCommand(config.token_command, timeout), timeout)
    if config.token_file:
        return LogInTokens(TokenFile(config.token_file), timeout)
    return None
