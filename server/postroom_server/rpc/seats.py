"""How many calls are served at a time, and how many of one tenant.

Each pool has as many seats as threads, and one tenant never has all of them where there
are several: whoever holds its own threads, by being slow or by asking for much, leaves
the others theirs.

A mail that comes in pieces is received on the threads that wait for verdicts, since
its caller then waits for one like any other.  While it is being received it also has a
seat among such mails; there are fewer of these than threads, so that slow uploads leave
most threads to those who send.

The octets of unary requests in hand are shared out in the same way.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from postroom_server.domain.errors import Overloaded


class Seats:
    """At most *most* are taken at a time; nobody waits for one.

    *shared*: among several tenants, each of which may have three quarters.
    """

    def __init__(self, most: int, *, shared: bool = False) -> None:
        self._most = most
        self._most_each = most - most // 4 if shared else most
        self._shared = shared
        self._lock = threading.Lock()
        self._by_tenant: Counter[str] = Counter()
        self._taken = 0
        self._with_all = 0

    @property
    def full(self) -> bool:
        """Whether the next one may be refused."""
        return self._taken >= self._most or self._with_all > 0

    @property
    def contested(self) -> bool:
        """Whether one of several tenants has all that it may have."""
        return self._shared and self._with_all > 0

    @contextmanager
    def held(self, tenant: str, weight: int = 1) -> Iterator[ExitStack]:
        """Hold *weight* seats for a ``with`` block, or until the stack given is closed.

        Raises `Overloaded` when all are taken, or all that *tenant* may have.
        """
        self._take(tenant, weight)
        with ExitStack() as seat:
            seat.callback(self._give_back, tenant, weight)
            yield seat

    def _take(self, tenant: str, weight: int) -> None:
        with self._lock:
            had = self._by_tenant.get(tenant, 0)
            has = had + weight
            if self._taken + weight > self._most or has > self._most_each:
                raise Overloaded("too many calls like this are open at the moment")
            self._taken += weight
            self._by_tenant[tenant] = has
            self._with_all += had < self._most_each <= has

    def _give_back(self, tenant: str, weight: int) -> None:
        with self._lock:
            self._taken -= weight
            had = self._by_tenant[tenant]
            has = self._by_tenant[tenant] = had - weight
            self._with_all -= has < self._most_each <= had
            if not self._by_tenant[tenant]:
                del self._by_tenant[tenant]
