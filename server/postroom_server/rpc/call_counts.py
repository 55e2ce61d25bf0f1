"""How many calls ended how, and how long they took, by method."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from postroom_server.domain.distribution import SECONDS_BOUNDS, Distribution, Spread
from postroom_server.rpc.access_log import CallRecord


@dataclass(frozen=True, slots=True)
class CallReading:
    """Counts since the start: by method and code, by method and reason of `ErrorInfo`,
    and seconds by method, from the headers to the answer.
    """

    handled: Mapping[tuple[str, str], int]
    refused: Mapping[tuple[str, str], int]
    seconds: Mapping[str, Distribution]


class CallCounts:
    """An observer of finished calls.  Bounded by methods, codes and reasons."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handled: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, Spread] = {}

    def __call__(self, record: CallRecord) -> None:
        with self._lock:
            self._handled[record.method, record.code] += 1
            if record.reason:
                self._refused[record.method, record.reason] += 1
            spread = self._seconds.get(record.method)
            if spread is None:
                spread = self._seconds[record.method] = Spread(SECONDS_BOUNDS)
        spread.add(record.seconds)

    def reading(self) -> CallReading:
        """The counts so far."""
        with self._lock:
            handled, refused = dict(self._handled), dict(self._refused)
            spreads = dict(self._seconds)
        seconds = {method: spread.reading() for method, spread in spreads.items()}
        return CallReading(handled, refused, seconds)
