"""What gRPC calls for a method: a pool, a body under a time limit, one try block.

Unary methods are registered as `stream_unary` (see `reading`); those that stream are in
`streaming`.  Whatever a behaviour raises ends in the table of errors; nothing reaches
gRPC but a refusal of ours, since it would send the text of any other exception to the
caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import grpc
import structlog
from google.protobuf.message import Message

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import DeadlinePassed
from postroom_server.domain.principal import Principal
from postroom_server.rpc.access import Access, identified
from postroom_server.rpc.access_log import Observer
from postroom_server.rpc.context import CallContext, answer_by
from postroom_server.rpc.credentials import Credentials
from postroom_server.rpc.decode import decode
from postroom_server.rpc.finish import Ending
from postroom_server.rpc.methods import Method
from postroom_server.rpc.pools import CountingPool
from postroom_server.rpc.reading import Reader
from postroom_server.rpc.seats import Seats
from postroom_server.rpc.settings import MIB
from postroom_server.rpc.streams import OpenStreams
from postroom_server.rpc.watchdog import Lane, Watchdog


@dataclass(frozen=True, slots=True)
class Serving:
    """What all methods of a server share."""

    clock: Clock
    credentials: Credentials
    watchdog: Watchdog
    observers: Sequence[Observer]
    streams: OpenStreams

    def opened(
        self,
        label: str,
        lane: Lane,
        messages: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> Opened:
        """A call of the method *label* that came just now; the log names it."""
        ending = Ending.of(label, self.clock, self.observers)
        call = CallContext(context)
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        reader = Reader(messages, context, self.watchdog, lane, ending.arrived)
        return Opened(ending, call, reader)


class Opened(NamedTuple):
    """One call: how it is to end, who asks, and what the caller sends."""

    ending: Ending
    call: CallContext
    reader: Reader


def begin_waiting(call: CallContext, clock: Clock, arrived: float, cap: float) -> None:
    """All of the request is here: the answer has *cap* seconds, or less.

    Raises `DeadlinePassed` when no time is left.
    """
    now = clock.monotonic()
    call.limit = answer_by(call.time_remaining(), now, arrived, cap)
    if call.limit <= now:
        raise DeadlinePassed("the time ran out before the call was begun")


def serialised(method: Method, response: object) -> bytes:
    """*response* as it goes out; a `TypeError` if it is none of *method*'s."""
    if not isinstance(response, method.response):
        text = f"{method.label} answered with a {type(response).__name__}"
        raise TypeError(text)
    return response.SerializeToString()


_NOTHING_HELD = nullcontext()


def seated(caller: Principal | None, seats: Seats) -> AbstractContextManager[object]:
    """A seat for *caller*, taken before its body is read; strangers need none.

    Raises `Overloaded`.
    """
    return _NOTHING_HELD if caller is None else seats.held(caller.tenant)


IN_HAND = 256 * MIB
"""Octets of the requests of one method that are served at a time: some five times as
much memory while they are composed."""
SMALL = 64 * 1024
"""Octets of a request that is not counted."""


class UnaryAdapter:
    """Serves one unary method on *pool*."""

    def __init__(
        self, method: Method, pool: CountingPool, lane: Lane, serving: Serving
    ) -> None:
        # gRPC looks for this name.
        self.experimental_thread_pool = pool
        self._seats = pool.seats
        several = serving.credentials.of_several_tenants
        self._in_hand = Seats(IN_HAND, shared=several)
        self._method = method
        self._label = method.label
        self._lane = lane
        self._serving = serving

    def __call__(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> bytes:
        shared = self._serving
        ending, call, reader = shared.opened(self._label, self._lane, messages, context)
        try:
            call.caller = identified(self._method.access, shared.credentials, context)
            answer = self._seated(call, reader)
        except BaseException as error:  # noqa: BLE001  SystemExit would hang the call
            ending.fail(context, call, error)
        ending.succeed(context, call)
        return answer

    def _seated(self, call: CallContext, reader: Reader) -> bytes:
        """The answer; its caller has a seat before the body is read."""
        if call.caller is None:
            return self._answer(reader.only(), call, reader.arrived)
        tenant = call.caller.tenant
        self._seats.take(tenant)
        try:
            return self._answer(reader.only(), call, reader.arrived)
        finally:
            self._seats.give_back(tenant)

    def _room_for(
        self, size: int, caller: Principal | None
    ) -> AbstractContextManager[object]:
        if caller is None or size <= SMALL:
            return _NOTHING_HELD
        # However large the operator allows requests to be, two have room.
        return self._in_hand.held(caller.tenant, min(size, IN_HAND // 2))

    def _answer(self, raw: bytes, call: CallContext, arrived: float) -> bytes:
        method = self._method
        with self._room_for(len(raw), call.caller):
            # The behaviour's alone: they may be large, and the wait long.
            request = [decode(method.request, raw, strict=method.strict)]
            del raw
            begin_waiting(call, self._serving.clock, arrived, method.cap)
            return serialised(method, method.behaviour(request.pop(), call))


StreamBehaviour = Callable[[Reader, CallContext], Iterator[Message]]
"""Answers a stream of requests; must end soon after the call has left."""


class StreamAdapter:
    """Serves one streaming method on *pool*; the server can cut its calls short."""

    def __init__(
        self,
        label: str,
        access: Access,
        behaviour: StreamBehaviour,
        pool: CountingPool,
        lane: Lane,
        serving: Serving,
    ) -> None:
        self.experimental_thread_pool = pool
        self._seats = pool.seats
        self._label = label
        self._access = access
        self._behaviour = behaviour
        self._lane = lane
        self._serving = serving

    def __call__(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        shared = self._serving
        ending, call, reader = shared.opened(self._label, self._lane, messages, context)
        try:
            call.caller = identified(self._access, shared.credentials, context)
            with seated(call.caller, self._seats), shared.streams.held(context):
                for response in self._behaviour(reader, call):
                    yield response.SerializeToString()
        except GeneratorExit:
            # gRPC drops us when the caller is gone.
            ending.left(call)
            raise
        except BaseException as error:  # noqa: BLE001  SystemExit would hang the call
            ending.fail(context, call, error)
        ending.succeed(context, call)
