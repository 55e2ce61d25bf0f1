"""Events: what is asked for, and what holds between two streams; pure.

A stream may end at any time, and is opened anew where the last one got to.  What comes
twice is dropped by its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from postroom._attempts import Attempts, Terms
from postroom._calls import delivery_name
from postroom._convert import number_of, read
from postroom._failures import Failure
from postroom._labels import metadata_of, tags_of
from postroom._names import check_names
from postroom._problems import Problems, duration
from postroom.arguments import (
    DeliveryName,
    EventArguments,
    PullArguments,
    WatchArguments,
)
from postroom.errors import PostroomError
from postroom.events import Event, EventPage
from postroom.results import Delivery, DeliveryResult
from postroom.v1 import event_pb2
from postroom.words import EventKind, StartPosition

REMEMBERED = 10_000
"""Ids of events that were told; more than come twice."""
NO_LIMIT = 1 << 30
"""Attempts: a watcher gives up when its time is over, and not before."""
AT_ONCE_AGAIN = 1.0
"""Seconds before a stream is opened after one that ended and told nothing."""


def watch_request(given: WatchArguments) -> event_pb2.WatchDeliveriesRequest:
    """Asks for a stream of the events that *given* describes."""
    check_names(given, WatchArguments)
    problems = Problems()
    request = event_pb2.WatchDeliveriesRequest(**_asked(given, problems))
    problems.raise_any()
    return request


def pull_request(given: PullArguments) -> event_pb2.PullEventsRequest:
    """Asks for the events that *given* describes."""
    check_names(given, PullArguments)
    problems = Problems()
    request = event_pb2.PullEventsRequest(
        wait=duration(given.get("wait")),
        max_events=given.get("max_events", 0),
        **_asked(given, problems),
    )
    problems.raise_any()
    return request


def pulled(answer: event_pb2.PullEventsResponse, before: str | None) -> EventPage:
    """*answer* to a request whose cursor was *before*."""
    found = _with_cursors(answer.events, before or "", answer.cursor)
    return EventPage(events=tuple(found), cursor=answer.cursor)


class Watching:
    """One watcher's way over any number of streams."""

    def __init__(self, terms: Terms, given: WatchArguments) -> None:
        self.request = watch_request(given)
        self._terms = replace(terms, max_attempts=NO_LIMIT)
        self._given = given
        self._on_cursor: Callable[[str], None] = given.get("on_cursor") or _ignore
        self._told: dict[str, None] = {}
        self._attempts = self._anew()
        self._heard = False

    def begin(self) -> Attempts:
        """Before a stream is opened."""
        self._heard = False
        self._attempts.begin()
        return self._attempts

    def take(self, answer: event_pb2.WatchDeliveriesResponse) -> Iterator[Event]:
        """The events of *answer* that are new; then it is known to the caller."""
        self._heard = True
        before = self.request.start_cursor
        for event in _with_cursors(answer.events, before, answer.cursor):
            if event.id not in self._told:
                yield event
                self._remember(event.id)
        self.request.start_cursor = answer.cursor
        self._on_cursor(answer.cursor)

    def pause_after_end(self) -> float:
        """How long to wait after a stream that ended in order, in seconds."""
        told, self._attempts = self._heard, self._anew()
        return 0.0 if told else AT_ONCE_AGAIN

    def pause_after(self, failure: Failure) -> float | None:
        """How long to wait after *failure*; None: it ends the watch."""
        if self._heard:
            # It was there: the time that it may be away begins now.
            self._attempts = self._anew()
            self._attempts.begin()
        return self._attempts.delay_after(failure)

    def error_of(self, failure: Failure) -> PostroomError:
        """The error that ends the watch with *failure*."""
        return self._attempts.error_of(failure)

    def _anew(self) -> Attempts:
        return self._terms.repeatable(self._given)

    def _remember(self, event_id: str) -> None:
        self._told[event_id] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]


def _asked(given: EventArguments, problems: Problems) -> dict[str, Any]:
    """The fields that both requests have."""
    start = problems.word("start", StartPosition, given.get("start"))
    cursor = given.get("cursor")
    kinds = given.get("kinds", ())
    found = event_pb2.EventFilter(
        deliveries=map(delivery_name, _several(given.get("deliveries", ()))),
        kinds=_kinds((kinds,) if isinstance(kinds, str) else kinds, problems),
        tags=tags_of(given.get("tags", ())),
        metadata=metadata_of(given.get("metadata", {}), "filter.metadata", problems),
    )
    if cursor is not None:
        return {"filter": found, "start_cursor": cursor}
    position = number_of(start, event_pb2.StartPosition.DESCRIPTOR)
    return {"filter": found, "start_position": position}


def _several(given: DeliveryName | Iterable[DeliveryName]) -> Iterable[DeliveryName]:
    if isinstance(given, str | Delivery | DeliveryResult):
        return (given,)
    return given


def _kinds(wanted: Iterable[str], problems: Problems) -> list[Any]:
    return [
        number_of(
            problems.word(f"filter.kinds[{place}]", EventKind, kind),
            event_pb2.EventKind.DESCRIPTOR,
        )
        for place, kind in enumerate(wanted)
    ]


def _with_cursors(
    events: Iterable[event_pb2.Event], before: str, after: str
) -> Iterator[Event]:
    """Each with the cursor from which all that follows it comes."""
    found = [read(Event, event) for event in events]
    last = len(found) - 1
    for place, event in enumerate(found):
        yield replace(event, cursor=after if place == last else before)


def _ignore(_cursor: str) -> None:
    """Nobody wants to know."""
