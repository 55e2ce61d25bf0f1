"""Reading events from SQLite: one writer, so their numbers are their order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from postroom_server.domain.clock import Instant
from postroom_server.domain.events import EventKind
from postroom_server.domain.principal import DEFAULT_TENANT
from postroom_server.outbox.documents import event_in
from postroom_server.outbox.event_pages import (
    EventPage,
    EventQuery,
    EventSource,
    Place,
    RecordedEvent,
)
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.statements import Connection, statement
from postroom_server.outbox.telling import tell

Row = tuple[Any, ...]
Sources = Mapping[str, EventSource]
Values = Mapping[str, object]
_KINDS = frozenset(EventKind)


class EventLog:
    """The events of a store, for any number of readers."""

    of_default = "events_of_default"
    """The query for the tenant that most stores have alone."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def end(self) -> Place:
        """The place after all events that are stored."""
        with self._readers.lend() as connection:
            return self._last(connection)

    def read(self, query: EventQuery) -> EventPage:
        """The next events; see `Outbox.events`."""
        with self._readers.lend() as connection:
            # Asked first: what comes meanwhile is for the next page.
            until = self._last(connection)
            name, values = self._asked(query, until)
            rows = connection.execute(statement(name), values).fetchall()
            sources = _sources(connection, {row[1] for row in rows})
        is_last = len(rows) < query.limit
        place = until if is_last else self.place_of(rows[-1])
        # A cursor of a store that lost its end must not go back.
        events = tuple(self._recorded(rows, sources))
        return EventPage(events, max(place, query.after), is_last)

    def place_of(self, row: Row) -> Place:
        """Where the event of *row* stands."""
        return Place(0, row[0])

    def _last(self, connection: Connection) -> Place:
        row = connection.execute(statement("last_event")).fetchone()
        return Place(0, int(row[0]) if row else 0)

    def _asked(self, query: EventQuery, until: Place) -> tuple[str, Values]:
        values = {
            "after": query.after.number,
            "until": until.transaction or until.number,
            "transaction": query.after.transaction,
            "since": query.since,
            "limit": query.limit,
            "tenant": query.tenant,
        }
        if not query.tenant:
            return "events_of_all", values
        if query.deliveries:
            deliveries = json.dumps(sorted(query.deliveries))
            return "events_of_deliveries", {**values, "deliveries": deliveries}
        is_default = query.tenant == DEFAULT_TENANT
        return self.of_default if is_default else "events_of_tenant", values

    def _recorded(
        self, rows: Iterable[Row], sources: Sources
    ) -> Iterator[RecordedEvent]:
        for row in rows:
            _, delivery, sequence, kind, at, document, *_ = row
            source = sources.get(delivery)
            # A newer version beside this one may have kinds that it lacks, and a
            # delivery may have been removed between the two looks.
            if source is None or kind not in _KINDS:
                continue
            try:
                event = event_in(EventKind(kind), Instant(at), json.loads(document))
            except (ValueError, KeyError, TypeError):
                tell("exception", "outbox.unreadable", delivery=delivery)
                continue
            yield RecordedEvent(self.place_of(row), sequence, event, source)


def source_in(row: Row) -> EventSource:
    """What the query `event_sources` tells of a delivery."""
    delivery_id, tenant, relay, message_id, request_id, labels = row
    trace_id, tags, metadata = json.loads(labels) if labels else (None, None, None)
    return EventSource(
        delivery_id=delivery_id,
        tenant=tenant,
        relay=relay,
        message_id=message_id,
        request_id=request_id,
        trace_id=trace_id or "",
        metadata=tuple((name, value) for name, value in metadata or ()),
        tags=tuple(tags or ()),
    )


def _sources(connection: Connection, deliveries: set[str]) -> Sources:
    if not deliveries:
        return {}
    wanted = (json.dumps(sorted(deliveries)),)
    rows = connection.execute(statement("event_sources"), wanted).fetchall()
    return {row[0]: source_in(row) for row in rows}
