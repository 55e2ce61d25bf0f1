"""The events of a store as they are read: in one order, a page at a time.

A place is where reading goes on, in the order of all events of the store.  What stands
behind a place does not change any more: no event is ever put before one that was read,
so that whoever reads on from the place of a page misses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from postroom_server.domain.clock import Instant
from postroom_server.domain.events import Event
from postroom_server.domain.labels import Pairs


class Place(NamedTuple):
    """After which event to read on; places compare as the events are ordered.

    *transaction* is 0 in a store that has one writer and so one order.
    """

    transaction: int
    number: int


_LONG_AGO = Instant(0)
START = Place(0, 0)
"""Before all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """What an event tells of its delivery; it never changes."""

    delivery_id: str
    tenant: str
    relay: str
    message_id: str
    request_id: str
    trace_id: str = ""
    metadata: Pairs = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it was stored; *sequence* counts those of its delivery from 1."""

    place: Place
    sequence: int
    event: Event
    source: EventSource

    def __hash__(self) -> int:
        # Many are looked up for many watchers; the place alone tells them apart.
        return hash(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events: those *after* a place, of *tenant* (empty: of all).

    Not those that occurred before *since*; of *deliveries* (bare ids) only, where there
    are any.  At most *limit* are looked at.
    """

    after: Place
    tenant: str = ""
    deliveries: frozenset[str] = frozenset()
    since: Instant = _LONG_AGO
    limit: int = 100


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in their order, and the *place* after all that was looked at.

    *is_last*: when it was read nothing more was there.
    """

    events: tuple[RecordedEvent, ...]
    place: Place
    is_last: bool
