"""What tenants may do beside what their relays can: their own rates and shares.

A tenant's mail is counted where an attempt takes a slot, whoever asked for it, and over
all relays.  Called under the dispatcher's lock or from callers' threads; never blocks.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping

from postroom_server.delivery.allowance import Allowance, Gear
from postroom_server.domain.pacing import Limits


class TenantGates:
    """Lets attempts of tenants start; *limits* by tenant, others have none."""

    def __init__(self, limits: Mapping[str, Limits], gear: Gear) -> None:
        self._allowances = {
            tenant: Allowance(f"tenant:{tenant}", own, gear)
            for tenant, own in limits.items()
        }
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()

    def take(self, tenant: str, wanted: int) -> int:
        """Leave to start up to *wanted* mails; each is given back, or ends."""
        allowance = self._allowances.get(tenant)
        if allowance is None:
            return wanted
        taken = allowance.take(min(wanted, self._room(tenant)))
        with self._lock:
            self._under_way[tenant] += taken
        return taken

    def give_back(self, tenant: str, count: int) -> None:
        """So many were not started after all."""
        if tenant in self._allowances:
            self._allowances[tenant].give_back(count)
            self._end(tenant, count)

    def allowance(self, tenant: str) -> Allowance | None:
        """What *tenant* may be sent, if it has limits."""
        return self._allowances.get(tenant)

    def ended(self, tenant: str) -> bool:
        """An attempt has ended; whether another may have waited for that."""
        limited = tenant in self._allowances
        if limited:
            self._end(tenant, 1)
        return limited

    def wait(self, tenant: str) -> float:
        """Seconds until one may start; infinite: when another of them ends."""
        allowance = self._allowances.get(tenant)
        if allowance is None:
            return 0.0
        return allowance.wait() if self._room(tenant) > 0 else math.inf

    def rate_wait(self, tenant: str, recipients: int = 1) -> float:
        """The same for its rates alone: what runs will end."""
        allowance = self._allowances.get(tenant)
        return allowance.wait(recipients=recipients) if allowance else 0.0

    def _room(self, tenant: str) -> int:
        with self._lock:
            under_way = self._under_way[tenant]
        return self._allowances[tenant].room(under_way)

    def _end(self, tenant: str, count: int) -> None:
        with self._lock:
            self._under_way[tenant] -= count
