"""The outbox in one SQLite file, for one process.

The guarantees are those of `store`.  One thread writes (`committer`), callers' threads
prepare what is written and read what is stored.

Of an operation that ended in `NotReady` nothing was stored, or it is taken back before
anything else sees it: an accepted delivery is removed, a claimed one is released.
Two exceptions: a `save` stays if it was stored, and repeating it is True; and where
the process dies before taking back, the next start finds the delivery.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from postroom_server.domain.clock import Clock, Instant, after
from postroom_server.domain.transitions import Change
from postroom_server.outbox.blobs import SqliteBlobs
from postroom_server.outbox.claims import Claim, Taken
from postroom_server.outbox.commit_counts import CommitReading
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.connecting import connect_reader, connect_writer
from postroom_server.outbox.errors import StoreForeign
from postroom_server.outbox.files import Files
from postroom_server.outbox.lock import StoreLock
from postroom_server.outbox.migrating import prepare
from postroom_server.outbox.purge import EventCursor, Purge
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.reading import Reading
from postroom_server.outbox.store import (
    BlobTerms,
    Claimed,
    Content,
    RequestRecord,
    Retention,
)
from postroom_server.outbox.telling import tell
from postroom_server.outbox.waiting import LineSettings
from postroom_server.outbox.works import Accept, Remember, Save, Times
from postroom_server.outbox.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """How many callers may read at once, and the bounds of the commits."""

    readers: int = 4
    blobs: BlobTerms = field(default_factory=BlobTerms)
    line: LineSettings = field(default_factory=LineSettings)


@dataclass(frozen=True, slots=True)
class _Parts:
    lock: StoreLock
    committer: Committer
    readers: Readers
    blobs: SqliteBlobs


_DEFAULTS = SqliteSettings()
OnStored = Callable[[Change], None]


class SqliteOutbox(Reading):
    """An `Outbox` in a file of its own."""

    def __init__(self, parts: _Parts, clock: Clock, on_stored: OnStored) -> None:
        super().__init__(parts.readers, clock, parts.blobs.files.find)
        self.blobs = parts.blobs
        self._committer = parts.committer
        self._lock = parts.lock
        self._on_stored = on_stored
        self._event_cursor = EventCursor()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        on_stored: OnStored = lambda _: None,
        settings: SqliteSettings = _DEFAULTS,
    ) -> Self:
        """The store in the file *path*, which is made if it is not there.

        *on_stored* hears of each change once it is durable, on the thread that asked
        for it, and must not block.
        Raises `StoreUnusableError` if another process has it, if it is of a newer
        version, or if it is no store.
        """
        with ExitStack() as undo:
            lock = StoreLock.take(path.with_name(f"{path.name}.lock"))
            undo.callback(lock.release)
            writer = _writer(path, clock)
            undo.callback(writer.close)
            readers = Readers(partial(connect_reader, path), settings.readers)
            undo.callback(readers.close)
            committer = Committer(writer, clock, settings.line)
            undo.callback(committer.close)
            files = Files(path.with_name(f"{path.name}.files"))
            blobs = SqliteBlobs(files, committer, readers, clock, settings.blobs)
            outbox = cls(_Parts(lock, committer, readers, blobs), clock, on_stored)
            undo.pop_all()
        tell("info", "outbox.opened", store=str(path), sqlite=sqlite3.sqlite_version)
        return outbox

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
        self.blobs.secure(content.message.stored)
        now = self._clock.now()
        blobs_until = after(now, self.blobs.terms.retention)
        work = Accept(change, content, request, Times(now, blobs_until))
        used = self._committer.run(work, patience)
        if used is None:
            self._tell(change)
        return used

    def claim(
        self, relay: str, now: Instant, *, retries: bool, limit: int
    ) -> Sequence[Claimed]:
        """Begin attempts on what is due; see `Outbox.claim`."""
        work = Claim(relay, now, retries=retries, limit=limit)
        taken = self._committer.run(work)
        for one in taken:
            self._tell(one.change)
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
            self._tell(change)
        return stored

    def remember(self, request: RequestRecord) -> RequestRecord | None:
        """Use a request id without a change; see `Outbox.remember`."""
        return self._committer.run(Remember(request, self._clock.now()))

    def purge(self, now: Instant, retention: Retention) -> int:
        """Remove some of what is past its time; see `Outbox.purge`."""
        return self._committer.run(Purge(now, retention, self._event_cursor))

    def close(self) -> None:
        """Finish the commits under way and let go of the store.  May be repeated."""
        self._readers.close()
        self._committer.close()
        self._lock.release()

    def _claimed(self, taken: Taken) -> Claimed:
        form, data = taken.stored
        content = None if data is None else self._decoded(form, data)
        return Claimed(taken.change.after, content)

    def _tell(self, change: Change) -> None:
        try:
            self._on_stored(change)
        except Exception:  # noqa: BLE001  what is stored is stored, whoever fails
            tell("exception", "outbox.listener_failed", delivery=change.after.id)


def _writer(path: Path, clock: Clock) -> Writer:
    # What SQLite makes beside the file gets the file's permissions.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        connection = connect_writer(path)
        try:
            prepare(connection, path, clock.now())
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise StoreForeign(f"{path} can't be opened as a store: {error}") from error
    return Writer(connection, partial(connect_writer, path))
