"""What administrators do with relays: pause, resume, drain, look.

A pause is durable before it is in force, and in force when the call returns: nothing
is begun after that.  It holds for new processes too, which read it at their start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.relays import Relays
from postroom_server.domain.clock import Clock
from postroom_server.domain.relays import RelayPause
from postroom_server.outbox.pauses import Pauses

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PauseOrder:
    """Which relay is to be paused ("relays/main"), why, and who says so."""

    relay: str
    reason: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class RelayControl:
    """Pauses relays and lets them go on."""

    relays: Relays
    pauses: Pauses
    dispatcher: Dispatcher
    clock: Clock

    def load(self) -> None:
        """Pause what was paused when the last process ended; before any claim."""
        pauses: Mapping[str, RelayPause] = self.pauses.all()
        for relay in self.relays:
            relay.watch.pause_for(pauses.get(relay.id))

    def pause(self, order: PauseOrder) -> Relay:
        """Begin nothing on the relay from now on; raises `RelayNotFound`."""
        relay = self.relays.find(order.relay)
        kept = relay.watch.pause
        if kept is None or kept.reason != order.reason:
            pause = RelayPause(order.reason, order.who, self.clock.now())
            self.pauses.keep(relay.id, pause)
            relay.watch.pause_for(pause)
            _log.warning("relay.paused", relay=relay.id, who=order.who)
        return relay

    def resume(self, name: str, who: str = "") -> Relay:
        """Go on with the relay, and try at once one that was left alone."""
        relay = self.relays.find(name)
        if relay.watch.pause is not None:
            self.pauses.end(relay.id)
            relay.watch.pause_for(None)
            _log.warning("relay.resumed", relay=relay.id, who=who)
        relay.watch.try_now()
        self.dispatcher.wake()
        return relay

    def drain(self, order: PauseOrder, limit: float) -> tuple[Relay, int]:
        """Pause, let go of idle sessions, and wait until *limit* (monotonic).

        The relay, and how many attempts are still under way.
        """
        relay = self.pause(order)
        relay.pool.drain()
        patience = max(0.0, limit - self.clock.monotonic())
        return relay, self.dispatcher.await_none(relay.id, patience)
