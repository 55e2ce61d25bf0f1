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
from typing import Self

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
        self._by_tenant: dict[str, int] = {}
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

    def held(self, tenant: str, weight: int = 1) -> Seat:
        """*weight* seats, to be held for a ``with`` block or until they are closed."""
        return Seat(self, tenant, weight)

    def take(self, tenant: str, weight: int = 1) -> None:
        """Take *weight* seats, until `give_back`.

        Raises `Overloaded` when all are taken, or all that *tenant* may have.
        """
        with self._lock:
            had = self._by_tenant.get(tenant, 0)
            has = had + weight
            if self._taken + weight > self._most or has > self._most_each:
                raise Overloaded("too many calls like this are open at the moment")
            self._taken += weight
            self._by_tenant[tenant] = has
            self._with_all += had < self._most_each <= has

    def give_back(self, tenant: str, weight: int = 1) -> None:
        """What was taken is free again."""
        with self._lock:
            self._taken -= weight
            had = self._by_tenant[tenant]
            has = self._by_tenant[tenant] = had - weight
            self._with_all -= has < self._most_each <= had
            if not has:
                del self._by_tenant[tenant]


class Seat:
    """Seats of one tenant: taken when a ``with`` block begins, which may raise
    `Overloaded`, and given back once.
    """

    __slots__ = ("_seats", "_taken", "_tenant", "_weight")

    def __init__(self, seats: Seats, tenant: str, weight: int) -> None:
        self._seats = seats
        self._tenant = tenant
        self._weight = weight
        self._taken = False

    def __enter__(self) -> Self:
        self._seats.take(self._tenant, self._weight)
        self._taken = True
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give them back, if that was not done."""
        if self._taken:
            self._taken = False
            self._seats.give_back(self._tenant, self._weight)
