"""When a mail that was just handed in is begun, or taken up again, and who is told to
come another time.

Whoever waits is made to wait as long as that can end well.  Where it can't, mail that
may be queued is queued at once, and of a relayed send nothing is stored: the relay is
paused, or a limit leaves no room within the caller's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from postroom_server.delivery.gate import RelayGate
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import Overloaded, RateLimited, RelayPaused
from postroom_server.domain.submission import Completion


class Start(Enum):
    """What becomes of a mail when it was accepted."""

    NOW = "as soon as there is a slot, while its caller waits"
    HERE = "at once and without a slot: the relay will not be asked"
    LATER = "queued, or begun if a slot is free; its caller is answered at once"


@dataclass(frozen=True, slots=True)
class Starts:
    """Decides by the *gates* of relays (by id) and of *tenants*."""

    gates: Mapping[str, RelayGate]
    tenants: TenantGates

    def of(
        self, delivery: Delivery, completion: Completion, patience: float, ahead: int
    ) -> Start:
        """When *delivery* is begun, whose caller waits *patience* seconds for that.

        *ahead* callers wait for the relay already and have not begun.  Raises
        `RelayPaused`, `Overloaded` or `RateLimited` for a relayed send in vain.
        """
        if completion is Completion.ACCEPTED:
            return Start.LATER
        gate = self.gates[delivery.relay]
        if gate.paused:
            return self._paused(completion, gate)
        if gate.relay.watch.resumes_in() > 0:
            queued = completion is not Completion.RELAYED and gate.relay.watch.is_open
            return Start.LATER if queued else Start.HERE
        recipients = len(delivery.open_recipients)
        wait = gate.wait(ahead, recipients)
        own = self.tenants.rate_wait(delivery.tenant, recipients)
        # Whose time has run out is not told of a limit that is not in the way.
        patience = max(0.0, patience)
        if max(wait, own) <= patience:
            return Start.NOW
        if completion is not Completion.RELAYED:
            return Start.LATER
        if own > patience:
            raise RateLimited("the tenant's own limit is used up", delivery.tenant, own)
        raise Overloaded(f"{gate.relay.name} is sent as much as it may be", wait)

    def _paused(self, completion: Completion, gate: RelayGate) -> Start:
        if completion is Completion.RELAYED:
            raise RelayPaused(gate.why_paused, gate.relay.name)
        return Start.LATER
