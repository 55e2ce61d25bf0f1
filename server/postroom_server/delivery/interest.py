"""Which events a reader wants: conditions that must all hold; empty ones do."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.events import EventKind
from postroom_server.domain.labels import Pairs
from postroom_server.outbox.event_pages import RecordedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """Any of *deliveries* (bare ids), *kinds* and *tags*; all of the pairs."""

    deliveries: frozenset[str] = frozenset()
    kinds: frozenset[EventKind] = frozenset()
    tags: frozenset[str] = frozenset()
    metadata: Pairs = ()

    def holds(self, found: RecordedEvent) -> bool:
        """Whether *found* is one of those wanted."""
        source = found.source
        return (
            (not self.deliveries or source.delivery_id in self.deliveries)
            and (not self.kinds or found.event.kind in self.kinds)
            and (not self.tags or not self.tags.isdisjoint(source.tags))
            and all(pair in source.metadata for pair in self.metadata)
        )
