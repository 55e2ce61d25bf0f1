"""Looking after relays: list, pause, resume, drain, and their sessions.

`Client.relays` and `AsyncClient.relays` are of these classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack

import grpc
from google.protobuf.message import Message

from postroom import _relays
from postroom._convert import read
from postroom.arguments import CallArguments
from postroom.messages import Seconds
from postroom.reports import Draining, Relay, RelaySession
from postroom.v1.relay_service_pb2_grpc import RelayServiceStub

if TYPE_CHECKING:
    from postroom.v1.relay_service_pb2_grpc import RelayServiceAsyncStub

Asking = TypeVar("Asking", bound=Message)
Response = TypeVar("Response")


class Call(Protocol):
    """Makes one call; raises what `Client` raises."""

    def __call__(
        self,
        method: grpc.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
        /,
    ) -> Response: ...


class AsyncCall(Protocol):
    """The same for `AsyncClient`."""

    async def __call__(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
        /,
    ) -> Response: ...


class Relays:
    """The relays of one service, for administrators; others get `PermissionDenied`.

    Relays are named "relays/main" or "main".  An unknown one raises `NotFound`.
    """

    def __init__(self, stub: Callable[[], RelayServiceStub], call: Call) -> None:
        self._stub = stub
        self._call = call

    def list(self, **given: Unpack[CallArguments]) -> tuple[Relay, ...]:
        """All relays, by name."""
        answer = self._call(self._stub().ListRelays, _relays.listing(), given)
        return tuple(read(Relay, relay) for relay in answer.relays)

    def get(self, relay: str, **given: Unpack[CallArguments]) -> Relay:
        """How one relay is."""
        request = _relays.getting(relay)
        answer = self._call(self._stub().GetRelay, request, given)
        return read(Relay, answer.relay)

    def pause(
        self, relay: str, reason: str = "", **given: Unpack[CallArguments]
    ) -> Relay:
        """Begin nothing on *relay* from now on, restarts included; mail waits.

        *reason* is kept for whoever looks later.
        """
        request = _relays.pausing(relay, reason)
        answer = self._call(self._stub().PauseRelay, request, given)
        return read(Relay, answer.relay)

    def resume(self, relay: str, **given: Unpack[CallArguments]) -> Relay:
        """Go on with *relay*; one that was left alone is tried at once."""
        request = _relays.resuming(relay)
        answer = self._call(self._stub().ResumeRelay, request, given)
        return read(Relay, answer.relay)

    def drain(
        self,
        relay: str,
        reason: str = "",
        *,
        wait: Seconds | None = None,
        **given: Unpack[CallArguments],
    ) -> Draining:
        """Pause *relay*, and wait until nothing is under way, at most *wait*."""
        request = _relays.draining(relay, reason, wait)
        answer = self._call(self._stub().DrainRelay, request, given)
        return read(Draining, answer)

    def sessions(
        self, relay: str | None = None, **given: Unpack[CallArguments]
    ) -> tuple[RelaySession, ...]:
        """The SMTP sessions that are open, with *relay* or with all."""
        request = _relays.sessions(relay)
        answer = self._call(self._stub().ListSessions, request, given)
        return tuple(read(RelaySession, one) for one in answer.sessions)


class AsyncRelays:
    """The relays of one service, for administrators; others get `PermissionDenied`.

    Relays are named "relays/main" or "main".  An unknown one raises `NotFound`.
    """

    def __init__(
        self,
        stub: Callable[[], RelayServiceAsyncStub],
        call: AsyncCall,
    ) -> None:
        self._stub = stub
        self._call = call

    async def list(self, **given: Unpack[CallArguments]) -> tuple[Relay, ...]:
        """All relays, by name."""
        answer = await self._call(self._stub().ListRelays, _relays.listing(), given)
        return tuple(read(Relay, relay) for relay in answer.relays)

    async def get(self, relay: str, **given: Unpack[CallArguments]) -> Relay:
        """How one relay is."""
        request = _relays.getting(relay)
        answer = await self._call(self._stub().GetRelay, request, given)
        return read(Relay, answer.relay)

    async def pause(
        self, relay: str, reason: str = "", **given: Unpack[CallArguments]
    ) -> Relay:
        """Begin nothing on *relay* from now on, restarts included; mail waits.

        *reason* is kept for whoever looks later.
        """
        request = _relays.pausing(relay, reason)
        answer = await self._call(self._stub().PauseRelay, request, given)
        return read(Relay, answer.relay)

    async def resume(self, relay: str, **given: Unpack[CallArguments]) -> Relay:
        """Go on with *relay*; one that was left alone is tried at once."""
        request = _relays.resuming(relay)
        answer = await self._call(self._stub().ResumeRelay, request, given)
        return read(Relay, answer.relay)

    async def drain(
        self,
        relay: str,
        reason: str = "",
        *,
        wait: Seconds | None = None,
        **given: Unpack[CallArguments],
    ) -> Draining:
        """Pause *relay*, and wait until nothing is under way, at most *wait*."""
        request = _relays.draining(relay, reason, wait)
        answer = await self._call(self._stub().DrainRelay, request, given)
        return read(Draining, answer)

    async def sessions(
        self, relay: str | None = None, **given: Unpack[CallArguments]
    ) -> tuple[RelaySession, ...]:
        """The SMTP sessions that are open, with *relay* or with all."""
        request = _relays.sessions(relay)
        answer = await self._call(self._stub().ListSessions, request, given)
        return tuple(read(RelaySession, one) for one in answer.sessions)
