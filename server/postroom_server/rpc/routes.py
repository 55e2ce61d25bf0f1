"""All routes of a server: its methods, each on its pool, behind the one door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc

from postroom_server.rpc import wire
from postroom_server.rpc.access import Access
from postroom_server.rpc.adapter import (
    Serving,
    StreamAdapter,
    StreamBehaviour,
    UnaryAdapter,
)
from postroom_server.rpc.admission import (
    Admission,
    Endpoint,
    Route,
    Rule,
    rejecters,
    unknown_method,
)
from postroom_server.rpc.descriptors import DescriptorIndex, served_files
from postroom_server.rpc.exchanging import ExchangeAdapter
from postroom_server.rpc.health import HealthBoard, HealthWatch, health_methods
from postroom_server.rpc.methods import Method, Shape
from postroom_server.rpc.pools import CountingPool, PoolKind
from postroom_server.rpc.reflection import Reflection
from postroom_server.rpc.settings import RpcSettings
from postroom_server.rpc.streaming import DownloadAdapter, UploadAdapter
from postroom_server.rpc.watchdog import Lane

Pools = Mapping[PoolKind, CountingPool]

STREAM_IDLE = 300.0
"""Seconds that the caller of an exchange may be silent, or may not read."""

_ADAPTERS: Mapping[Shape, type[UnaryAdapter | UploadAdapter | DownloadAdapter]] = {
    Shape.UNARY: UnaryAdapter,
    Shape.UPLOAD: UploadAdapter,
    Shape.DOWNLOAD: DownloadAdapter,
    Shape.EXCHANGE: ExchangeAdapter,
}
_ANSWERS_STREAM = frozenset({Shape.DOWNLOAD, Shape.EXCHANGE})


class RouteTable:
    """Collects routes, and makes the door of them."""

    def __init__(self, pools: Pools, serving: Serving, settings: RpcSettings) -> None:
        self._pools = pools
        self._serving = serving
        self._settings = settings
        self._routes: dict[str, Route] = {}

    def add_methods(self, methods: Sequence[Method]) -> None:
        """Serve *methods*."""
        for method in methods:
            pool = self._pools[method.pool]
            exchanges = method.shape is Shape.EXCHANGE
            patience = STREAM_IDLE if exchanges else self._settings.body_timeout
            lane = self._lane(method.pool, patience)
            adapter = _ADAPTERS[method.shape](method, pool, lane, self._serving)
            # No request is read by gRPC itself, that of a unary method neither.
            endpoint: Endpoint = (
                grpc.stream_stream_rpc_method_handler(adapter)
                if method.shape in _ANSWERS_STREAM
                else grpc.stream_unary_rpc_method_handler(adapter)
            )
            rule = Rule(method.access, method.gated)
            self._add(method.path, method.label, endpoint, pool, rule)

    def add_health(self, board: HealthBoard) -> None:
        """Serve grpc.health.v1 from *board*."""
        self.add_methods(health_methods(board))
        self._add_stream(
            f"{wire.HEALTH}/Watch",
            HealthWatch(board),
            PoolKind.WATCH,
            Access.ANYONE,
            self._settings.body_timeout,
        )

    def add_reflection(self) -> None:
        """Serve both versions of grpc.reflection."""
        reflection = Reflection(DescriptorIndex(served_files()), self._serving.clock)
        for service in (wire.REFLECTION, wire.REFLECTION_ALPHA):
            self._add_stream(
                f"{service}/ServerReflectionInfo",
                reflection,
                PoolKind.REFLECTION,
                Access.CALLERS,
                self._settings.reflection_idle,
            )

    def admission(self) -> Admission:
        """The door to what was added."""
        unknown = unknown_method(self._pools[PoolKind.REJECT], self._serving)
        serving = self._serving
        return Admission(self._routes, unknown, serving.credentials, serving.clock)

    def _add_stream(
        self,
        name: str,
        behaviour: StreamBehaviour,
        kind: PoolKind,
        access: Access,
        patience: float,
    ) -> None:
        label = name.rpartition(".")[2]
        pool = self._pools[kind]
        lane = self._lane(kind, patience)
        adapter = StreamAdapter(label, access, behaviour, pool, lane, self._serving)
        endpoint: Endpoint = grpc.stream_stream_rpc_method_handler(adapter)
        self._add(f"/{name}", label, endpoint, pool, Rule(access, gated=False))

    def _add(
        self,
        path: str,
        label: str,
        endpoint: Endpoint,
        pool: CountingPool,
        rule: Rule,
    ) -> None:
        refusals = rejecters(label, self._pools[PoolKind.REJECT], self._serving)
        self._routes[path] = Route(endpoint, pool, rule, refusals)

    def _lane(self, kind: PoolKind, patience: float) -> Lane:
        pool = self._pools[kind]
        return Lane(patience, pool.plan.patience, lambda: pool.pressed)
