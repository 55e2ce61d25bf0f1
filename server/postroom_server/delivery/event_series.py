"""The series of those who watch events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom_server.delivery.watching import EventHub
from postroom_server.telemetry.series import Reading, counter, gauge, single

WATCHERS = gauge("event_watchers", "Callers who wait for events.")
LAG = gauge("event_lag_seconds", "How long events have waited to be told.")
CUT_OFF = counter("event_watchers_cut_off", "Watchers that were too slow.")


@dataclass(frozen=True, slots=True)
class EventSeries:
    """Reads *hub*."""

    hub: EventHub

    def __call__(self) -> Iterator[Reading]:
        reading = self.hub.reading()
        yield single(WATCHERS, reading.watchers)
        yield single(LAG, reading.lag)
        yield single(CUT_OFF, reading.cut_off)
