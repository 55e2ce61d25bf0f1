"""What administrators do with relays: pause, resume, drain, look.

A pause is durable before it is in force, and in force when the call returns: nothing
is begun here after that.  It holds for new processes too, which read it at their start,
and for others that share the store within a second (`fleet_watch`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.relays import Relays
from postroom_server.domain.clock import Clock
from postroom_server.domain.relays import RelayPause
from postroom_server.outbox.pauses import Pauses

LOOK = 0.25
"""Seconds between looks at what other processes have under way."""

_log = structlog.get_logger(__name__)


def _nothing(_relay: str) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class PauseOrder:
    """Which relay is to be paused ("relays/main"), why, and who says so."""

    relay: str
    reason: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class RelayControl:
    """Pauses relays and lets them go on.

    *elsewhere* tells how many attempts on a relay (a bare id) other processes make.
    """

    relays: Relays
    pauses: Pauses
    dispatcher: Dispatcher
    clock: Clock
    elsewhere: Callable[[str], int] = _nothing
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Pause what the store says is paused, and let go on what is not any more."""
        # Under the lock, so that what is said meanwhile is not undone by what was read.
        with self._lock:
            pauses: Mapping[str, RelayPause] = self.pauses.all()
            changed = [
                relay.watch.pause_for(pauses.get(relay.id)) for relay in self.relays
            ]
        if any(changed):
            self.dispatcher.wake()

    def pause(self, order: PauseOrder) -> Relay:
        """Begin nothing on the relay from now on; raises `RelayNotFound`."""
        relay = self.relays.find(order.relay)
        with self._lock:
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
        with self._lock:
            if relay.watch.pause is not None:
                self.pauses.end(relay.id)
                relay.watch.pause_for(None)
                _log.warning("relay.resumed", relay=relay.id, who=who)
        relay.watch.try_now()
        self.dispatcher.wake()
        return relay

    def drain(self, order: PauseOrder, limit: float) -> tuple[Relay, int]:
        """Pause, let go of idle sessions, and wait until *limit* (monotonic).

        The relay, and how many attempts are still under way, here and elsewhere.
        """
        relay = self.pause(order)
        relay.pool.drain()
        patience = max(0.0, limit - self.clock.monotonic())
        here = self.dispatcher.await_none(patience, relay.id)
        nothing = threading.Event()
        while (left := here + self.elsewhere(relay.id)) > here:
            patience = limit - self.clock.monotonic()
            if patience <= 0:
                return relay, left
            nothing.wait(min(LOOK, patience))
        return relay, here
