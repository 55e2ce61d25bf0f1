"""Who is to be looked at when: many entries, few of which ever come to their time.

Entries are kept in slots of `GRAIN` seconds, so that adding one and taking it back cost
the same however many there are.  Not thread-safe.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

GRAIN = 0.05
"""Seconds by which an entry may be late."""

E = TypeVar("E", bound=Hashable)


class Timetable(Generic[E]):
    """Entries and their times (monotonic); each entry has one time at most."""

    def __init__(self) -> None:
        self._slots: dict[int, set[E]] = {}
        self._slot_of: dict[E, int] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._slot_of)

    def set(self, entry: E, at: float) -> None:
        """Have *entry* come up at *at*, and not when it was to before."""
        self.drop(entry)
        slot = math.ceil(at / GRAIN)
        if slot not in self._slots:
            self._slots[slot] = set()
            heapq.heappush(self._order, slot)
        self._slots[slot].add(entry)
        self._slot_of[entry] = slot

    def drop(self, entry: E) -> None:
        """*entry* is not to come up."""
        slot = self._slot_of.pop(entry, None)
        if slot is not None:
            self._slots[slot].discard(entry)

    def wait(self, now: float) -> float | None:
        """Seconds until the next one may come up; None: there is none."""
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heapq.heappop(self._order)]
        return max(0.0, self._order[0] * GRAIN - now) if self._order else None

    def due(self, now: float) -> Iterator[E]:
        """Those whose time has come; they are in here no more."""
        while self._order and self._order[0] * GRAIN <= now:
            for entry in self._slots.pop(heapq.heappop(self._order)):
                del self._slot_of[entry]
                yield entry
