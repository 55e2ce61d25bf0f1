"""The outbox as the engine sees it, and what it guarantees.

- `accept` and `save` return when the change is durable (fsync), and not before; many
  callers share one commit.
- A change is applied whole or not at all, and only to the version that it was made
  from: a writer that lost its claim changes nothing.
- A request id is unique per tenant over all methods until it expires.
- A wait for the store is bounded, and by the caller's *patience* in seconds where it
  is told.  `Overloaded`: its queue is full (what becomes of mail under way is still
  recorded); nothing was stored.  `StoreFull`: the disk is; nothing was stored.
  `NotReady`: the store is away, or too slow; what was stored after all is taken back
  before it is acted on, but for `save`: its change may have been stored, and repeating
  it tells.

Every method may be called from any thread and blocks, but for those that `begin`:
`begin_save` and `begin_commit` wait for nothing, and `begin_accept` only until large
octets are written.  What they are given to call may be called by the thread that
commits, which nobody may hold up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from postroom_server.domain.clock import Instant, seconds_between
from postroom_server.domain.counters import Counters
from postroom_server.domain.delivery import Delivery, DeliveryStatus
from postroom_server.domain.labels import Pairs
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.limits import MB
from postroom_server.domain.message import AnyMessage, Identity
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Change
from postroom_server.domain.values import value
from postroom_server.outbox.event_pages import EventPage, EventQuery, Place
from postroom_server.outbox.holds import Holds


@value(frozen=True, slots=True)
class Content:
    """What a mail is composed from, the same bytes each time."""

    message: AnyMessage
    identity: Identity


@value(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request id that was used: by which method, with which body, for what.

    *fingerprint* is 32 bytes; *delivery_id* is what it made or changed.
    """

    tenant: str
    request_id: str
    method: str
    fingerprint: bytes
    delivery_id: str
    expires_at: Instant


@value(frozen=True, slots=True)
class Claimed:
    """A delivery whose attempt is ours to make, and its content.

    *content* is None when its bytes are gone or can't be read; the attempt then fails.
    """

    delivery: Delivery
    content: Content | None


@value(frozen=True, slots=True, kw_only=True)
class DeliveryQuery:
    """Conditions that must all hold; empty ones do.  *relay* is a bare id,
    *recipient* an `Address.key`; *before* pages: older than that (accepted_at, id).
    """

    tenant: str
    statuses: frozenset[DeliveryStatus] = frozenset()
    relay: str = ""
    recipient: str = ""
    message_id: str = ""
    tag: str = ""
    metadata: Pairs = ()
    accepted_from: Instant | None = None
    accepted_before: Instant | None = None
    before: tuple[Instant, str] | None = None
    limit: int = 50


@value(frozen=True, slots=True)
class QueueDepth:
    """What waits: due now, for its time, for a retry, under way; and the oldest due."""

    due: int = 0
    scheduled: int = 0
    retrying: int = 0
    sending: int = 0
    oldest_due_at: Instant | None = None

    def oldest_due_age(self, now: Instant) -> float:
        """For how many seconds the oldest has been due; 0 where none is."""
        oldest = self.oldest_due_at
        return 0.0 if oldest is None else max(0.0, seconds_between(oldest, now))


@value(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long after settling, in seconds."""

    content: float
    deliveries: float
    events: float = 7 * 86_400.0


@value(frozen=True, slots=True)
class Blob:
    """Octets that *tenant* may refer to until *expires_at*.

    *existed*: they were there before they were brought.
    """

    tenant: str
    octets: StoredOctets
    expires_at: Instant
    existed: bool = False

    @property
    def name(self) -> str:
        return f"blobs/{self.octets.sha256}"


@value(frozen=True, slots=True, kw_only=True)
class BlobTerms:
    """For how long blobs are kept (seconds), and how many octets a tenant may have."""

    retention: float = 86_400.0
    quota: int = 1024 * MB


class Arriving(Protocol):
    """Octets on their way into the store; for one thread."""

    @property
    def size(self) -> int:
        """How many came."""

    @property
    def sha256(self) -> str:
        """That of what came, hexadecimal."""

    def write(self, data: bytes) -> None:
        """Take the next octets.  Raises `TooManyOctets`, `StoreFull`, `NotReady`."""

    def rest(self) -> None:
        """No more comes; `keep` is for later.  Raises `StoreFull`, `NotReady`."""

    def peek(self) -> StoredOctets:
        """All that came, to be read as long as it is neither kept nor discarded."""

    def keep(self) -> StoredOctets:
        """All that came, durably, for an hour at least.

        Raises `StoreFull`, `NotReady`.
        """


class Blobs(Protocol):
    """Large octets: on their way in, and kept for mails to come."""

    def receive(self, most: int) -> AbstractContextManager[Arriving]:
        """Octets to be written, at most *most*; none stay that were not kept."""

    def admit(self, tenant: str, arriving: Arriving) -> None:
        """Raise `QuotaExceeded` unless what came may be a blob of *tenant*.

        To be asked before anything is kept: what is refused then leaves nothing behind.
        """

    def keep(self, tenant: str, octets: StoredOctets) -> Blob:
        """Make *octets* a blob of *tenant*, or move its end.

        Raises `QuotaExceeded`.
        """

    def find(self, tenant: str, sha256: str) -> Blob | None:
        """The tenant's blob, whose octets are there for an hour at least; or None."""

    def sweep(self) -> int:
        """Remove some of what nothing refers to; how much went."""


class Accepting(Protocol):
    """Mail that is being stored, for a caller who does not stand and wait."""

    def result(self) -> RequestRecord | None:
        """What `Outbox.accept` returns or raises; to be asked once, when it ended."""

    def withdraw(self) -> None:
        """Wait no more: raises `NotReady`, or returns when there is a result.

        What is stored all the same is taken back.
        """


OnSaved = Callable[[bool | Exception], object]


class Outbox(Protocol):
    """Durable deliveries.  See the module for what holds for every method."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may be at it, and may leave something behind."""

    def listen(self, on_due: Callable[[str], None]) -> None:
        """Tell *on_due* the id of a relay whose mail another process made due.

        A hint that comes late or not at all; it is called on a thread of the store's.
        """

    @property
    def hold(self) -> Holds:
        """Whether anything may be claimed; `claim` and `next_due` heed it."""

    @property
    def created_at(self) -> Instant:
        """When this store was made."""

    @property
    def secret(self) -> bytes:
        """Random octets of this store alone, which are told to nobody."""

    def accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        *,
        patience: float = math.inf,
    ) -> RequestRecord | None:
        """Store a new delivery (*change.before* is ignored).

        None: it is stored.  A record: the request id was used before, for that, and
        nothing was stored.  Raises `BlobNotFound` if octets of it are gone.
        """

    def begin_accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        on_end: Callable[[Accepting], object],
        *,
        patient: bool = False,
    ) -> Accepting:
        """The same without the wait for a commit: *on_end* is given what is returned.

        It is called at its end, by any thread, perhaps before this returns; it must
        not block.
        What `accept` raises at once is raised here.
        *patient*: it may wait a few milliseconds for others to share its commit.
        """

    def claim(
        self, relay: str, now: Instant, wanted: Mapping[LaneKey, int]
    ) -> Sequence[Claimed]:
        """Begin attempts on what is due: of each lane at most as many as *wanted*.

        Lanes come in the order of *wanted*, in each first due first.  Deliveries found
        past their expiry are settled EXPIRED on the way, and not returned.  What is not
        due yet costs nothing, however much there is of it.
        """

    def save(
        self,
        change: Change,
        *,
        request: RequestRecord | None = None,
        forget_request: bool = False,
        patience: float = math.inf,
    ) -> bool:
        """Store *change*; False if the delivery is no longer what it was made from.

        *request* is remembered with it (False, too, if its id was used for something
        else meanwhile); *forget_request* frees the request id that made the delivery.
        Saving the same change again is True and changes nothing.
        """

    def begin_save(self, change: Change, on_end: OnSaved) -> None:
        """`save` without the wait: *on_end* is told what it returns, or would raise.

        It is called at its end, by any thread, perhaps before this returns; it must
        not block.
        No commit is begun for *change* alone until `begin_commit`, so that what the
        same thread stores meanwhile shares one with it.
        """

    def begin_commit(self) -> None:
        """Have what was given to the store so far committed; waits for nothing."""

    def remember(self, request: RequestRecord) -> RequestRecord | None:
        """Use a request id without a change; a record as for `accept`."""

    def get(self, tenant: str, delivery_id: str) -> Delivery | None:
        """The delivery, or None if the tenant has none of that id."""

    def find(self, tenant: str, request_id: str) -> RequestRecord | None:
        """What *request_id* was used for, or None if it is free or expired."""

    def content(self, delivery_id: str) -> Content | None:
        """What the delivery is composed from; None when it was purged."""

    def list(self, query: DeliveryQuery) -> Sequence[Delivery]:
        """Deliveries, newest acceptance first (ties: by id, falling)."""

    def leased(self) -> Sequence[Delivery]:
        """Deliveries under way whose process is gone, and that are ours to settle.

        Those that were when the store was opened; where processes share it, also those
        of any that has gone since.
        """

    def holds(self, delivery: Delivery) -> bool:
        """Whether its attempt under way is ours still; asked before the end of data.

        Where processes share the store one that stood still may have lost it.
        """

    def next_due(self, relay: str, lane: LaneKey) -> Instant | None:
        """When the first delivery of *lane* is due, past or to come."""

    def lanes(self, relay: str) -> Mapping[LaneKey, Instant]:
        """The lanes that have something in them, and when their first is due.

        It costs something for each lane, and nothing for what is in them.
        """

    def waiting(self, completion: Completion) -> Sequence[Delivery]:
        """Deliveries of that completion, neither final nor under way, oldest first.

        Not those that wait where another process lives.
        """

    def live(
        self,
        accepted_before: Instant,
        after: tuple[Instant, str] | None,
        limit: int,
    ) -> Sequence[Delivery]:
        """Deliveries that are not final, in the order of acceptance (ties: by id).

        Not those that another process has in hand that lives.  *after*: those after
        that (accepted_at, id).
        """

    @property
    def epoch(self) -> str:
        """What tells the order of this store's events from every other: places of one
        epoch mean nothing in another.  A store that was restored has a new one.
        """

    def events(self, query: EventQuery) -> EventPage:
        """The next events, in an order that is final.

        Those of one delivery are in their order, and none is ever put before one that
        was read: a change that was not committed yet is not passed by.
        """

    def events_end(self) -> Place:
        """The place after all events that can be read now."""

    def counters(self, relay: str = "") -> Counters:
        """All that was ever counted, of *relay* or of all."""

    def counters_by_tenant(
        self, relay: str = "", *, tenant: str = "", most: int = 100
    ) -> Mapping[str, Counters]:
        """The same for each tenant, or for *tenant*; of many those with most mail."""

    def depth(self, now: Instant, relay: str = "") -> QueueDepth:
        """The queue, of *relay* or of all."""

    def depth_by_tenant(
        self, now: Instant, relay: str = "", *, tenant: str = ""
    ) -> Mapping[str, QueueDepth]:
        """The same for each tenant that has something in it, or for *tenant*."""

    def purge(self, now: Instant, retention: Retention) -> int:
        """Remove what is past its time, some of it; how much was removed."""

    def close(self) -> None:
        """Finish the commits under way and let go of the store."""
