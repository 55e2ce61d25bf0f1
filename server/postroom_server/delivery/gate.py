"""Whether another attempt may start on a relay now, and if not, when.

Asked before anything is claimed or accepted as under way, and in this order: has an
administrator paused it, is it left alone, has it asked for less, are there tokens.  A
relay that may start nothing is asked for nothing, so what waits for it costs the others
nothing.  Called under the dispatcher's lock; never blocks.
"""

from __future__ import annotations

import math

from postroom_server.delivery.allowance import Allowance, Gear
from postroom_server.delivery.relay import Relay
from postroom_server.outbox.tokens import Tokens

BEGINNING = 2.0
"""Seconds in which an attempt that was given leave has begun, and is known of."""


class Connections:
    """The connections that may be opened to *relay*, and those that are there."""

    def __init__(self, relay: Relay, tokens: Tokens) -> None:
        self._relay = relay
        self._rate = relay.limits.connections
        self._tokens = tokens
        self._scope = connections_of(relay.id)

    def room(self, wanted: int) -> int:
        """How many of *wanted* find a session, or may open one."""
        rate = self._rate
        if rate is None:
            return wanted
        idle = self._relay.pool.stats().idle
        # Leave that is not needed here is not asked for: others of a fleet may need it.
        may_open = wanted > idle and self._tokens.wait(self._scope, rate) == 0
        return min(wanted, idle + may_open)

    def wait(self) -> float:
        """Seconds until one does, as far as is known."""
        rate = self._rate
        if rate is None or self._relay.pool.stats().idle:
            return 0.0
        return self._tokens.wait(self._scope, rate)


def connections_of(relay: str) -> str:
    """The scope of the connections that are opened to *relay* (a bare id)."""
    return f"relay:{relay}:connections"


class RelayGate:
    """Lets attempts on *relay* start."""

    def __init__(self, relay: Relay, gear: Gear) -> None:
        self.relay = relay
        self.allowance = Allowance(f"relay:{relay.id}", relay.limits, gear)
        self._connections = Connections(relay, gear.tokens)
        self._monotonic = gear.clock.monotonic
        self._probe_at = 0.0

    @property
    def paused(self) -> bool:
        """Whether the relay is paused, or all are since the store is on hold."""
        return self.relay.watch.pause is not None

    @property
    def why_paused(self) -> str:
        """In words for callers, who are not told what administrators say."""
        held = self.relay.watch.is_held
        return "the store is on hold" if held else "an administrator paused the relay"

    def take(self, wanted: int, under_way: int) -> int:
        """Leave to start up to *wanted*, beside those *under_way*."""
        watch = self.relay.watch
        refuses = watch.refuses
        if watch.pause is not None or (refuses and watch.resumes_in() > 0):
            return 0
        wanted = min(wanted, self._room(under_way))
        wanted = min(wanted, self._connections.room(wanted))
        if refuses:
            # One alone finds out whether that is so still.
            wanted = 0 if self._probe_waits() else min(wanted, 1)
        taken = self.allowance.take(wanted)
        if taken:
            self.relay.throttle.started()
            self._probe_at = self._monotonic() + BEGINNING
        return taken

    def give_back(self, count: int) -> None:
        """So many were not started after all."""
        self.allowance.give_back(count)

    def idle_for(self, under_way: int) -> float:
        """Seconds until one may start beside those *under_way*; infinite: when told."""
        throttled = self.relay.throttle.wait()
        full = not throttled and self._room(under_way) <= 0
        return math.inf if full else self.wait()

    def wait(self, ahead: int = 0, recipients: int = 1) -> float:
        """Seconds until one to so many *recipients* may start, behind *ahead* others.

        Infinite: nobody knows.  What is under way at present is not looked at.
        """
        if self.paused:
            return math.inf
        relay = self.relay
        wait = max(
            relay.throttle.wait(),
            self.allowance.wait(ahead, recipients),
            self._connections.wait(),
        )
        if relay.watch.refuses:
            wait = max(wait, relay.watch.resumes_in(), self._probe_waits())
        return wait

    def _room(self, under_way: int) -> int:
        """How many more the relay and the fleet let be under way."""
        own = self.relay.throttle.room(under_way)
        return min(own, self.allowance.room(under_way))

    def _probe_waits(self) -> float:
        """Seconds until a further probe may start: the last is perhaps on its way."""
        if not self.relay.watch.refuses:
            return 0.0
        return max(0.0, self._probe_at - self._monotonic())
