"""Whose turn it is: slots of one relay shared out among the lanes that are due.

Tenants take turns, one delivery each, however much one of them has.  Within a tenant
the more urgent goes first, and nothing starves: in a round the priorities get 16, 4
and 1 turns, and a round ends when no lane that is due has a turn left.

Priority is among a tenant's own mail alone: one who calls everything urgent gains
nothing over the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Priority

WEIGHTS: Mapping[Priority, int] = {
    Priority.URGENT: 16,
    Priority.NORMAL: 4,
    Priority.BULK: 1,
}
"""Turns in one round."""


class Turns:
    """Remembers who had a turn; for one thread at a time."""

    def __init__(self) -> None:
        self._left: dict[str, dict[Priority, int]] = {}
        """Who waits, next first, and the turns left in the tenant's round."""

    def share(self, due: Iterable[LaneKey], slots: int) -> Mapping[LaneKey, int]:
        """How many of *slots* each lane gets, of those that are *due*.

        Those without a slot are left out.  A lane that has less than it gets leaves the
        rest to the next call.
        """
        waiting: dict[str, dict[Priority, LaneKey]] = {}
        for lane in due:
            waiting.setdefault(lane.tenant, {})[lane.priority] = lane
        self._line_up(waiting)
        shares: dict[LaneKey, int] = {}
        for _ in range(slots if waiting else 0):
            lane = self._next(waiting)
            shares[lane] = shares.get(lane, 0) + 1
        return shares

    def _line_up(self, waiting: Mapping[str, object]) -> None:
        """Who waits no more loses the place; who comes goes to the end."""
        for tenant in [tenant for tenant in self._left if tenant not in waiting]:
            del self._left[tenant]
        for tenant in waiting:
            self._left.setdefault(tenant, dict(WEIGHTS))

    def _next(self, waiting: Mapping[str, Mapping[Priority, LaneKey]]) -> LaneKey:
        tenant, left = next(iter(self._left.items()))
        lanes = waiting[tenant]
        chosen = max((one for one in lanes if left[one]), default=None)
        if chosen is None:
            left = dict(WEIGHTS)
            chosen = max(lanes)
        left[chosen] -= 1
        del self._left[tenant]
        self._left[tenant] = left
        return lanes[chosen]
