"""What is counted of deliveries, and how counts add up.

A delivery counts when its status becomes final, and again when RetryDelivery reopened
it: accepted + reopened = the sum of those that ended + those not final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import add, attrgetter

from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class Counters:
    """The fields of `postroom.v1.DeliveryCounters`."""

    accepted: int = 0
    succeeded: int = 0
    partial: int = 0
    rejected: int = 0
    failed: int = 0
    temp_failed: int = 0
    uncertain: int = 0
    expired: int = 0
    cancelled: int = 0
    attempts: int = 0
    retries: int = 0
    temporary_failures: int = 0
    transactions_accepted: int = 0
    recipients_delivered: int = 0
    recipients_refused: int = 0
    bytes_sent: int = 0
    reopened: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(*map(add, counts_of(self), counts_of(other)))

    def __bool__(self) -> bool:
        return any(counts_of(self))

    @property
    def ended(self) -> int:
        """Deliveries whose status became final."""
        return sum(getattr(self, name) for name in ENDED)


NOTHING = Counters()
COUNTED = tuple(field.name for field in fields(Counters))
counts_of: Callable[[Counters], tuple[int, ...]] = attrgetter(*COUNTED)
"""The counts in the order of `COUNTED`."""
ENDED = (
    "succeeded",
    "partial",
    "rejected",
    "failed",
    "temp_failed",
    "uncertain",
    "expired",
    "cancelled",
)
