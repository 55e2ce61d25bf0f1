"""The last question before a mail is sent: are there recipients left of the day?

Asked by the thread that is to send it, when all else is known.  What a relay and a
tenant may be sent on a day holds exactly, over restarts and all processes of a fleet:
mail that would go beyond it waits for the next day and spends no attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postroom_server.delivery.allowance import Allowance, Spent
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.gate import RelayGate
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class Leave:
    """Leave to send, with what was *spent* for it; or why not (*refusal*)."""

    refusal: Finding | None = None
    spent: Sequence[Spent] = ()

    def give_back(self) -> None:
        """Nothing was sent."""
        for one in self.spent:
            one.give_back()


FREE_LEAVE = Leave()


@value(frozen=True, slots=True)
class DayLeave:
    """Asks the *gates* of relays (by id) and of *tenants*."""

    gates: Mapping[str, RelayGate]
    tenants: TenantGates

    def of(self, delivery: Delivery) -> Leave:
        """Leave to send *delivery*; may wait for the store, and raises what it does."""
        asked = self._asked(delivery)
        if asked is None:
            return FREE_LEAVE
        spent: list[Spent] = []
        count = len(delivery.open_recipients)
        try:
            for whose, allowance in asked.items():
                one = allowance.spend(count)
                if one is None:
                    Leave(spent=spent).give_back()
                    return Leave(_used_up(whose))
                spent.append(one)
        except Exception:
            Leave(spent=spent).give_back()
            raise
        return Leave(spent=spent)

    def _asked(self, delivery: Delivery) -> Mapping[str, Allowance] | None:
        """Whose recipients of the day are counted; None: nobody's, as mostly."""
        relay = self.gates[delivery.relay].allowance
        tenant = self.tenants.allowance(delivery.tenant)
        if tenant is None and not relay.is_of_a_day:
            return None
        both = {"relay": relay, "tenant": tenant}
        return {w: a for w, a in both.items() if a is not None and a.is_of_a_day}


def _used_up(whose: str) -> Finding:
    detail = f"the {whose} has had its recipients of the day"
    return Finding(Found.OVER_QUOTA, FailureReason.RATE, detail=detail)
