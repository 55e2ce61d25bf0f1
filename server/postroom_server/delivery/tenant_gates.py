"""What tenants may do beside what their relays can: their own rates and shares.

A tenant's mail is counted where an attempt begins, whoever asked for it.  Called under
the dispatcher's lock or from callers' threads; never blocks.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping

from postroom_server.delivery.gate import Allowance, Gear
from postroom_server.domain.pacing import Limits

_PLENTY = 1_000_000


class TenantGates:
    """Lets attempts of tenants start; *limits* by tenant, others have none."""

    def __init__(self, limits: Mapping[str, Limits], gear: Gear) -> None:
        self._limits = limits
        self._allowances = {
            tenant: Allowance(f"tenant:{tenant}", (own.messages, own.recipients), gear)
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

    def begun(self, tenant: str, recipients: int) -> None:
        """A mail to so many was started."""
        if tenant in self._allowances:
            self._allowances[tenant].begun(recipients)

    def ended(self, tenant: str) -> None:
        """An attempt has ended."""
        if tenant in self._allowances:
            self._end(tenant, 1)

    def wait(self, tenant: str) -> float:
        """Seconds until one may start; infinite: when another of them ends."""
        allowance = self._allowances.get(tenant)
        if allowance is None:
            return 0.0
        return allowance.wait() if self._room(tenant) > 0 else math.inf

    def rate_wait(self, tenant: str) -> float:
        """The same for its rates alone: what runs will end."""
        allowance = self._allowances.get(tenant)
        return allowance.wait() if allowance else 0.0

    def _room(self, tenant: str) -> int:
        most = self._limits[tenant].sessions
        with self._lock:
            return most - self._under_way[tenant] if most else _PLENTY

    def _end(self, tenant: str, count: int) -> None:
        with self._lock:
            self._under_way[tenant] -= count
