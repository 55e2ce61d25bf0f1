"""What the methods of RelayService do; all of them are for administrators."""

from __future__ import annotations

from collections.abc import Mapping

from postroom.v1 import relay_service_pb2 as wire

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.relay_control import PauseOrder
from postroom_server.domain.errors import InvalidArgument, Problem
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.convert.names import relay_id
from postroom_server.rpc.convert.relays import relay_message, session_message
from postroom_server.rpc.convert.times import seconds_of
from postroom_server.rpc.methods import Behaviour

MOST_REASON = 512
"""Octets."""


class RelayBehaviours:
    """Answers every method of RelayService from *engine*; thread-safe."""

    def __init__(self, engine: DeliveryEngine) -> None:
        self._engine = engine

    def behaviours(self) -> Mapping[str, Behaviour]:
        """What answers each method, by its bare name."""
        return {
            "ListRelays": self.list_relays,
            "GetRelay": self.get_relay,
            "PauseRelay": self.pause_relay,
            "ResumeRelay": self.resume_relay,
            "DrainRelay": self.drain_relay,
            "ListSessions": self.list_sessions,
        }

    def list_relays(
        self, _request: wire.ListRelaysRequest, _call: CallContext
    ) -> wire.ListRelaysResponse:
        """Tell how all are."""
        relays = sorted(self._engine.relays, key=lambda relay: relay.id)
        return wire.ListRelaysResponse(relays=map(self._told, relays))

    def get_relay(
        self, request: wire.GetRelayRequest, _call: CallContext
    ) -> wire.GetRelayResponse:
        """Tell how one is."""
        found = self._engine.relays.find(_named(request.relay))
        return wire.GetRelayResponse(relay=self._told(found))

    def pause_relay(
        self, request: wire.PauseRelayRequest, call: CallContext
    ) -> wire.PauseRelayResponse:
        """Begin nothing on a relay from now on."""
        paused = self._engine.relay_control.pause(_order(request, call))
        return wire.PauseRelayResponse(relay=self._told(paused))

    def resume_relay(
        self, request: wire.ResumeRelayRequest, call: CallContext
    ) -> wire.ResumeRelayResponse:
        """Go on with a relay."""
        name = _named(request.relay)
        resumed = self._engine.relay_control.resume(name, call.principal.name)
        return wire.ResumeRelayResponse(relay=self._told(resumed))

    def drain_relay(
        self, request: wire.DrainRelayRequest, call: CallContext
    ) -> wire.DrainRelayResponse:
        """Pause a relay, and wait until nothing is under way on it."""
        limit = call.limit
        if request.HasField("wait_timeout"):
            own = seconds_of(request.wait_timeout, "wait_timeout")
            limit = min(limit, self._engine.now() + own)
        order = _order(request, call)
        drained, left = self._engine.relay_control.drain(order, limit)
        return wire.DrainRelayResponse(relay=self._told(drained), attempts_left=left)

    def list_sessions(
        self, request: wire.ListSessionsRequest, _call: CallContext
    ) -> wire.ListSessionsResponse:
        """Tell of the open sessions."""
        relays = sorted(self._engine.relays, key=lambda relay: relay.id)
        if request.relay:
            relays = [self._engine.relays.find(_named(request.relay))]
        sessions = [
            session_message(relay, reading)
            for relay in relays
            for reading in relay.pool.sessions()
        ]
        return wire.ListSessionsResponse(sessions=sessions)

    def _told(self, relay: Relay) -> wire.Relay:
        return relay_message(relay, self._engine.queue(relay.id))


def _named(name: str) -> str:
    return f"relays/{relay_id(name, 'relay')}"


def _order(
    request: wire.PauseRelayRequest | wire.DrainRelayRequest, call: CallContext
) -> PauseOrder:
    if len(request.reason.encode()) > MOST_REASON:
        problem = Problem("reason", f"is longer than {MOST_REASON} octets")
        raise InvalidArgument([problem])
    return PauseOrder(_named(request.relay), request.reason, call.principal.name)
