"""Who comes in: decided when the headers arrive, before any thread is spent.

It runs on gRPC's one polling thread, where waiting delays every other call: it only
looks things up.  A refused call is answered by a rejecter, which is stream-typed and so
never waits for the body, on a pool of its own; else calls that send headers and nothing
more would hold the threads that refuse them.  Whoever has no credential learns nothing
but that, not even whether there is room.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import grpc

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import (
    Draining,
    NotImplementedHere,
    NotReady,
    Overloaded,
    PostroomError,
)
from postroom_server.rpc.access import (
    CALLER,
    Access,
    authorization_in,
    not_allowed,
    refused,
)
from postroom_server.rpc.adapter import Serving
from postroom_server.rpc.context import ARRIVED_AT, CallContext
from postroom_server.rpc.credentials import Credentials
from postroom_server.rpc.finish import Ending
from postroom_server.rpc.pools import CountingPool

Endpoint: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
UNKNOWN_METHOD = "unknown"
"""The label of all calls to methods that do not exist."""


class Gate(Enum):
    """Whether mail is taken at all.  Health and reflection answer in any case."""

    NOT_READY = "not ready"
    OPEN = "open"
    DRAINING = "draining"


class Refusal(Enum):
    """Why a call is turned away at the door."""

    NO_CREDENTIAL = "no credential"
    NOT_ALLOWED = "not allowed"
    NOT_READY = "not ready"
    DRAINING = "draining"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a method is for, and whether it is refused while no mail is taken."""

    access: Access
    gated: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Where the calls of one method go."""

    endpoint: Endpoint
    pool: CountingPool
    rule: Rule
    refusals: Mapping[Refusal, Endpoint]


class Admission(grpc.GenericRpcHandler):
    """The one door of a server: all its routes, by exact path.

    *came* counts calls by path, *turned_away* those refused here by reason.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        unknown: Endpoint,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._unknown = unknown
        self._credentials = credentials
        self._clock = clock
        self.gate = Gate.NOT_READY
        # Counted on the one thread that calls `service`.
        self.came = dict.fromkeys((*routes, UNKNOWN_METHOD), 0)
        self.turned_away = dict.fromkeys(Refusal, 0)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Endpoint:
        """What answers the call: its method, or a rejecter."""
        ARRIVED_AT.set(self._clock.monotonic())
        route = self._routes.get(handler_call_details.method)
        if route is None:
            self.came[UNKNOWN_METHOD] += 1
            return self._unknown
        self.came[handler_call_details.method] += 1
        refusal = self._stranger(route, handler_call_details) or self._busy(route)
        if refusal is None:
            return route.endpoint
        self.turned_away[refusal] += 1
        return route.refusals[refusal]

    def _stranger(
        self, route: Route, details: grpc.HandlerCallDetails
    ) -> Refusal | None:
        """Why the caller may not call the method, as far as its token tells."""
        access = route.rule.access
        if access is Access.ANYONE:
            return None
        given = authorization_in(details.invocation_metadata)
        if given is None and self._credentials.by_certificate:
            # Who it is stands in its certificate, for the thread that serves it.
            return None
        principal = self._credentials.of_token(given or "")
        if principal is None:
            return Refusal.NO_CREDENTIAL
        CALLER.set(principal)
        return None if access.allows(principal) else Refusal.NOT_ALLOWED

    def _busy(self, route: Route) -> Refusal | None:
        if route.rule.gated and self.gate is not Gate.OPEN:
            return _BY_GATE[self.gate]
        return Refusal.OVERLOADED if route.pool.saturated else None


_BY_GATE = {Gate.NOT_READY: Refusal.NOT_READY, Gate.DRAINING: Refusal.DRAINING}


class Rejecter:
    """Refuses a call on *pool* without reading any of it."""

    def __init__(
        self,
        label: str,
        error: Callable[[], PostroomError],
        pool: CountingPool,
        serving: Serving,
    ) -> None:
        self.experimental_thread_pool = pool
        self._label = label
        self._error = error
        self._serving = serving

    def __call__(
        self, _messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> bytes:
        shared = self._serving
        ending = Ending.of(self._label, shared.clock, shared.observers)
        ending.fail(context, CallContext(context), self._error())


def rejecters(
    label: str, pool: CountingPool, serving: Serving
) -> Mapping[Refusal, Endpoint]:
    """What refuses calls of the method *label*, for each refusal."""
    return {
        refusal: grpc.stream_unary_rpc_method_handler(
            Rejecter(label, error, pool, serving)
        )
        for refusal, error in _ERRORS.items()
    }


def unknown_method(pool: CountingPool, serving: Serving) -> Endpoint:
    """What refuses calls of methods that do not exist."""
    return grpc.stream_unary_rpc_method_handler(
        Rejecter(UNKNOWN_METHOD, _not_implemented, pool, serving)
    )


def _overloaded() -> PostroomError:
    # Callers wait exactly as long as they are told: spread them out, or they will
    # all be back at the same moment.
    wait = random.uniform(0.5, 1.5)  # noqa: S311  spreads load, hides nothing
    return Overloaded("too many calls at the moment", wait)


def _draining() -> PostroomError:
    return Draining("this server is shutting down")


def _not_ready() -> PostroomError:
    return NotReady("this server is not ready")


def _not_implemented() -> PostroomError:
    return NotImplementedHere("this server has no such method")


_ERRORS: Mapping[Refusal, Callable[[], PostroomError]] = {
    Refusal.NO_CREDENTIAL: refused,
    Refusal.NOT_ALLOWED: not_allowed,
    Refusal.NOT_READY: _not_ready,
    Refusal.DRAINING: _draining,
    Refusal.OVERLOADED: _overloaded,
}
