"""Whether another attempt may start on a relay now, and if not, when.

Asked before anything is claimed or accepted as under way, and in this order: has an
administrator paused it, is it left alone, has it asked for less, are there tokens.  A
relay that may start nothing is asked for nothing, so what waits for it costs the others
nothing.  Called under the dispatcher's lock; never blocks.
"""

from __future__ import annotations

import math

from postroom_server.delivery.relay import Relay
from postroom_server.domain.clock import MICROSECONDS, Clock
from postroom_server.domain.pacing import DAY, Rate
from postroom_server.outbox.tokens import Tokens

MOST_RECIPIENTS = 100
"""Of one mail, about: near the end of a day's quota one mail is begun at a time."""

BEGINNING = 2.0
"""Seconds in which an attempt that was given leave has begun, and is known of."""


class Allowance:
    """The messages a second and the recipients a day of a relay or a tenant.

    *scope* tells it from others: "relay:main".
    """

    def __init__(
        self, scope: str, rates: tuple[Rate | None, Rate | None], gear: Gear
    ) -> None:
        self._scope = scope
        self._messages, self._recipients = rates
        self._gear = gear

    def take(self, wanted: int) -> int:
        """Leave to start up to *wanted* mails."""
        if self._recipients is not None and wanted:
            left = self._gear.tokens.wait(self._today, self._recipients)
            wanted = 0 if left else self._few(wanted, self._recipients)
        if self._messages is not None and wanted:
            grant = self._gear.tokens.take(self._scope, self._messages, wanted)
            wanted = grant.taken
        return wanted

    def give_back(self, count: int) -> None:
        """So many were not started after all."""
        if self._messages is not None and count:
            self._gear.tokens.change(self._scope, self._messages, count)

    def begun(self, recipients: int) -> None:
        """A mail to so many was started."""
        if self._recipients is not None:
            self._gear.tokens.change(self._today, self._recipients, -recipients)

    def wait(self, ahead: int = 0) -> float:
        """Seconds until one may start, behind *ahead* others."""
        tokens, waits = self._gear.tokens, [0.0]
        if self._messages is not None:
            waits.append(tokens.wait(self._scope, self._messages, ahead))
        if self._recipients is not None and tokens.wait(self._today, self._recipients):
            waits.append(self._gear.until_tomorrow())
        return max(waits)

    def _few(self, wanted: int, quota: Rate) -> int:
        """One alone where several could go beyond the quota."""
        ahead = wanted * MOST_RECIPIENTS
        near = self._gear.tokens.wait(self._today, quota, ahead) > 0
        return 1 if near else wanted

    @property
    def _today(self) -> str:
        return f"{self._scope}:recipients:{self._gear.day()}"


class Gear:
    """What allowances are kept with: *tokens*, and the time in days (UTC)."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self.tokens = tokens
        self.clock = clock

    def day(self) -> int:
        """The number of the day."""
        return int(self.clock.now() // (DAY * MICROSECONDS))

    def until_tomorrow(self) -> float:
        """Seconds."""
        return DAY - self.clock.now() / MICROSECONDS % DAY


class Connections:
    """The connections that may be opened to *relay*, and those that are there."""

    def __init__(self, relay: Relay, tokens: Tokens) -> None:
        self._relay = relay
        self._tokens = tokens
        self._scope = connections_of(relay.id)

    def room(self, wanted: int) -> int:
        """How many of *wanted* find a session, or may open one."""
        rate = self._relay.limits.connections
        if rate is None:
            return wanted
        may_open = self._tokens.wait(self._scope, rate) == 0
        return min(wanted, self._relay.pool.stats().idle + may_open)

    def wait(self) -> float:
        """Seconds until one does, as far as is known."""
        rate = self._relay.limits.connections
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
        limits = relay.limits
        rates = (limits.messages, limits.recipients)
        self.allowance = Allowance(f"relay:{relay.id}", rates, gear)
        self._connections = Connections(relay, gear.tokens)
        self._monotonic = gear.clock.monotonic
        self._probe_at = 0.0

    @property
    def paused(self) -> bool:
        """Whether an administrator paused the relay."""
        return self.relay.watch.pause is not None

    def take(self, wanted: int, under_way: int) -> int:
        """Leave to start up to *wanted*, beside those *under_way*."""
        if self.paused or self.relay.watch.resumes_in() > 0:
            return 0
        wanted = min(wanted, self.relay.throttle.room(under_way))
        wanted = min(wanted, self._connections.room(wanted))
        if self.relay.watch.refuses:
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

    def wait(self, ahead: int = 0) -> float:
        """Seconds until one may start, behind *ahead* others; infinite: when told."""
        if self.paused:
            return math.inf
        relay = self.relay
        return max(
            relay.watch.resumes_in(),
            relay.throttle.wait(),
            self.allowance.wait(ahead),
            self._connections.wait(),
            self._probe_waits(),
        )

    def _probe_waits(self) -> float:
        """Seconds until a further probe may start: the last is perhaps on its way."""
        if not self.relay.watch.refuses:
            return 0.0
        return max(0.0, self._probe_at - self._monotonic())
