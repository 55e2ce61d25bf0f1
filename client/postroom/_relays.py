"""The calls of `Client.relays` and `AsyncClient.relays`, as requests."""

from __future__ import annotations

from postroom._calls import relay_name
from postroom._problems import duration
from postroom.messages import Seconds
from postroom.v1 import relay_service_pb2 as wire


def listing() -> wire.ListRelaysRequest:
    """Asks for all relays."""
    return wire.ListRelaysRequest()


def getting(relay: str) -> wire.GetRelayRequest:
    """Asks how *relay* is."""
    return wire.GetRelayRequest(relay=relay_name(relay))


def pausing(relay: str, reason: str) -> wire.PauseRelayRequest:
    """Asks to begin nothing on *relay*."""
    return wire.PauseRelayRequest(relay=relay_name(relay), reason=reason)


def resuming(relay: str) -> wire.ResumeRelayRequest:
    """Asks to go on with *relay*."""
    return wire.ResumeRelayRequest(relay=relay_name(relay))


def draining(relay: str, reason: str, wait: Seconds | None) -> wire.DrainRelayRequest:
    """Asks to pause *relay* and to wait until nothing is under way."""
    return wire.DrainRelayRequest(
        relay=relay_name(relay), reason=reason, wait_timeout=duration(wait)
    )


def sessions(relay: str | None) -> wire.ListSessionsRequest:
    """Asks for the sessions of *relay*, or of all."""
    return wire.ListSessionsRequest(relay=relay_name(relay))
