"""What all outboxes have in common whose changes are committed by one thread.

Callers' threads prepare what is written and read what is stored.  A subclass knows how
its store is opened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from postroom_server.domain.clock import Clock, Instant, after
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.transitions import Change
from postroom_server.outbox.claims import Claim, Taken
from postroom_server.outbox.commit_counts import CommitReading
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.content import Find
from postroom_server.outbox.fleet import Alone, Fleet
from postroom_server.outbox.pauses import StoredPauses
from postroom_server.outbox.purge import EventCursor, Purge
from postroom_server.outbox.quotas import Quotas
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.reading import Reading
from postroom_server.outbox.setting_aside import Aside, InRow
from postroom_server.outbox.sharing import Sharing, Unshared
from postroom_server.outbox.store import (
    Accepting,
    Blobs,
    BlobTerms,
    Claimed,
    Content,
    OnSaved,
    RequestRecord,
    Retention,
)
from postroom_server.outbox.stored_holds import StoredHolds
from postroom_server.outbox.stored_quotas import StoredQuotas
from postroom_server.outbox.telling import tell
from postroom_server.outbox.tokens import LocalTokens, Tokens
from postroom_server.outbox.waiting import Haste, Ticket
from postroom_server.outbox.works import Accept, Remember, Save, Times

OnStored = Callable[[Change], None]


class SecuredBlobs(Blobs, Protocol):
    """Blobs whose octets can be kept for a mail that is being accepted."""

    @property
    def terms(self) -> BlobTerms:
        """How long they are kept, and how many."""

    def secure(self, stored: Iterable[StoredOctets]) -> None:
        """Keep them for an hour; raises `BlobNotFound`."""


@dataclass(frozen=True, slots=True)
class OutboxParts:
    """What such an outbox is made of; *let_go* is the last thing done with it.

    *aside* takes what is too large for a row.
    """

    committer: Committer
    readers: Readers
    blobs: SecuredBlobs
    find: Find
    let_go: Callable[[], None]
    aside: Aside = field(default_factory=InRow)


class CommittingOutbox(Reading):
    """An `Outbox` on a committer and readers."""

    def __init__(self, parts: OutboxParts, clock: Clock, on_stored: OnStored) -> None:
        super().__init__(parts.readers, clock, parts.find)
        self.blobs = parts.blobs
        self.fleet: Fleet = Alone()
        self.pauses = StoredPauses(parts.committer, parts.readers)
        self.hold = StoredHolds(parts.committer, parts.readers)
        stored = StoredQuotas(parts.committer, parts.readers)
        self.quotas = Quotas(stored, clock.monotonic)
        self.tokens: Tokens = LocalTokens(clock.monotonic)
        self.sharing: Sharing = Unshared()
        self._committer = parts.committer
        self._let_go = parts.let_go
        self._aside = parts.aside
        self._on_stored = on_stored
        self._event_cursor = EventCursor()

    @property
    def is_ready(self) -> bool:
        """Whether the store could be written when it was last tried."""
        return not self._committer.is_away

    def commits(self) -> CommitReading:
        """How long the line for the next commit is, and how those so far went."""
        return self._committer.reading()

    def watch(self, on_ready: Callable[[bool], None]) -> None:
        """Tell *on_ready* when the store goes away (False), and when it is back.

        It is called by the thread that writes, and must not block.
        """
        self._committer.on_ready = on_ready

    def accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        *,
        patience: float = math.inf,
    ) -> RequestRecord | None:
        """Store a new delivery; see `Outbox.accept`."""
        work = self._accept(change, content, request)
        used = self._committer.run(work, patience)
        if used is None:
            self.tell(change)
        return used

    def begin_accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        on_end: Callable[[Accepting], object],
        *,
        patient: bool = False,
    ) -> Accepting:
        """Store a new delivery meanwhile; see `Outbox.begin_accept`."""
        work = self._accept(change, content, request)
        accepting = _Accepting(work, self, change, on_end)
        if patient:
            accepting.haste = Haste.PATIENT
        self._committer.begin(accepting)
        return accepting

    def _accept(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
    ) -> Accept:
        named = content.message.stored
        self.blobs.secure(named)
        kept = self._aside.content(change.after.tenant, content)
        now = self._clock.now()
        blobs_until = after(now, self.blobs.terms.retention)
        blobs = frozenset(octets.sha256 for octets in named)
        return Accept(change, kept, request, Times(now, blobs_until, blobs))

    def claim(
        self, relay: str, now: Instant, wanted: Mapping[LaneKey, int]
    ) -> Sequence[Claimed]:
        """Begin attempts on what is due; see `Outbox.claim`."""
        work = Claim(relay, now, wanted)
        taken = self._committer.run(work)
        for one in taken:
            self.tell(one.change)
        return [self._claimed(one) for one in taken if one.is_begun]

    def save(
        self,
        change: Change,
        *,
        request: RequestRecord | None = None,
        forget_request: bool = False,
        patience: float = math.inf,
    ) -> bool:
        """Store a change; see `Outbox.save`."""
        work = Save(change, request, self._clock.now())
        asked = work.forgetting() if forget_request else work
        stored = self._committer.run(asked, patience)
        if stored:
            self.tell(change)
        return stored

    def begin_save(self, change: Change, on_end: OnSaved) -> None:
        """Store a change with what is stored next; see `Outbox.begin_save`."""
        work = Save(change, None, self._clock.now())
        self._committer.begin(_Saving(work, self, change, on_end), in_time=True)

    def begin_commit(self) -> None:
        """Commit what was given so far; see `Outbox.begin_commit`."""
        self._committer.begin_commit()

    def remember(self, request: RequestRecord) -> RequestRecord | None:
        """Use a request id without a change; see `Outbox.remember`."""
        return self._committer.run(Remember(request, self._clock.now()))

    def purge(self, now: Instant, retention: Retention) -> int:
        """Remove some of what is past its time; see `Outbox.purge`."""
        return self._committer.run(Purge(now, retention, self._event_cursor))

    def finish(self) -> None:
        """Commit what was given so far, and store nothing any more.

        It can still be read, and is ours until `close`.  May be repeated.
        """
        self.quotas.close()
        self._committer.close()

    def close(self) -> None:
        """Finish the commits under way and let go of the store.  May be repeated."""
        self.finish()
        self._readers.close()
        self._let_go()

    def _claimed(self, taken: Taken) -> Claimed:
        form, data = taken.stored
        content = None if data is None else self._decoded(form, data)
        return Claimed(taken.change.after, content)

    def withdraw(self, ticket: Ticket[Any]) -> None:
        """Wait for *ticket* no more; see `Accepting.withdraw`."""
        self._committer.withdraw(ticket)

    def tell(self, change: Change) -> None:
        """*change* is stored: have it heard of."""
        try:
            self._on_stored(change)
        except Exception:  # noqa: BLE001  what is stored is stored, whoever fails
            tell("exception", "outbox.listener_failed", delivery=change.after.id)


class _Accepting(Ticket[RequestRecord | None]):
    """See `Accepting`."""

    __slots__ = ("change", "on_end", "outbox")

    def __init__(
        self,
        work: Accept,
        outbox: CommittingOutbox,
        change: Change,
        on_end: Callable[[Accepting], object],
    ) -> None:
        super().__init__(work)
        self.outbox = outbox
        self.change = change
        self.on_end: Callable[[Accepting], object] | None = on_end

    def tell(self) -> None:
        # What hears of it often knows it: that ring would keep a caller's call and its
        # mail until somebody looked for garbage.
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end(self)

    def result(self) -> RequestRecord | None:
        used = super().result()
        if used is None:
            self.outbox.tell(self.change)
        return used

    def withdraw(self) -> None:
        self.outbox.withdraw(self)


class _Saving(Ticket[bool]):
    """A change whose maker does not wait for it."""

    __slots__ = ("change", "on_end", "outbox")

    def __init__(
        self, work: Save, outbox: CommittingOutbox, change: Change, on_end: OnSaved
    ) -> None:
        super().__init__(work, Haste.NEUTRAL)
        self.outbox = outbox
        self.change = change
        self.on_end = on_end

    def tell(self) -> None:
        try:
            stored = self.result()
        except Exception as error:  # noqa: BLE001  its maker hears what it was
            self.on_end(error)
            return
        if stored:
            self.outbox.tell(self.change)
        self.on_end(stored)
