"""What an outbox in memory holds; it lasts as long as somebody refers to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.octets import StoredOctets
from postroom_server.outbox.event_pages import RecordedEvent
from postroom_server.outbox.holds import LocalHolds
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.pauses import LocalPauses
from postroom_server.outbox.quotas import LocalQuotaStore
from postroom_server.outbox.store import Blob, Content, RequestRecord

RequestKey = tuple[str, str]
BlobKey = tuple[str, str]


@dataclass(slots=True)
class Octets:
    """Octets that were brought, and when they were last wanted."""

    stored: StoredOctets
    touched_at: Instant


@dataclass(slots=True)
class MemoryState:
    """All of it; *mutex* is held by whoever looks or changes."""

    created_at: Instant | None = None
    epoch: str = field(default_factory=lambda: new_id(Instant(0)))
    mutex: threading.RLock = field(default_factory=threading.RLock)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    recipients: dict[str, frozenset[str]] = field(default_factory=dict)
    requests: dict[RequestKey, RequestRecord] = field(default_factory=dict)
    counters: dict[tuple[str, str], Counters] = field(default_factory=dict)
    events: list[RecordedEvent] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)
    last_event: int = 0
    blobs: dict[BlobKey, Blob] = field(default_factory=dict)
    octets: dict[str, Octets] = field(default_factory=dict)
    pauses: LocalPauses = field(default_factory=LocalPauses)
    quotas: LocalQuotaStore = field(default_factory=LocalQuotaStore)
    hold: LocalHolds = field(default_factory=LocalHolds)

    def request(self, key: RequestKey, now: Instant) -> RequestRecord | None:
        """What a request id was used for, unless that has expired."""
        found = self.requests.get(key)
        return found if found is not None and found.expires_at > now else None

    def forget(self, delivery_id: str) -> None:
        """Remove a delivery and all that is its own."""
        del self.deliveries[delivery_id]
        self.contents.pop(delivery_id, None)
        self.recipients.pop(delivery_id, None)
        self.sequences.pop(delivery_id, None)
        self.events = [e for e in self.events if e.source.delivery_id != delivery_id]

    def refers_to(self, sha256: str) -> bool:
        """Whether a mail or a blob has those octets."""
        in_mail = any(
            octets.sha256 == sha256
            for content in self.contents.values()
            for octets in content.message.stored
        )
        return in_mail or any(name == sha256 for _, name in self.blobs)
