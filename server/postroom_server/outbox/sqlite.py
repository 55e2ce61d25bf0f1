"""The outbox in one SQLite file, for one process.

The guarantees are those of `store`.  One thread writes (`committer`), callers' threads
prepare what is written and read what is stored.

Of an operation that ended in `NotReady` nothing was stored, or it is taken back before
anything else sees it: an accepted delivery is removed, a claimed one is released.
Two exceptions: a `save` stays if it was stored, and repeating it is True; and where
the process dies before taking back, the next start finds the delivery.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from postroom_server.domain.clock import Clock
from postroom_server.outbox.blobs import SqliteBlobs
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.committing import CommittingOutbox, OnStored, OutboxParts
from postroom_server.outbox.connecting import connect_reader, connect_writer
from postroom_server.outbox.errors import StoreForeign
from postroom_server.outbox.files import Files
from postroom_server.outbox.incoming import files_beside
from postroom_server.outbox.lock import StoreLock
from postroom_server.outbox.migrating import prepare
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.restoring import begin_anew
from postroom_server.outbox.setting_aside import InFiles
from postroom_server.outbox.sqlite_writer import SqliteWriter
from postroom_server.outbox.store import BlobTerms
from postroom_server.outbox.telling import tell
from postroom_server.outbox.waiting import LineSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """How many callers may read at once, and the bounds of the commits."""

    readers: int = 4
    blobs: BlobTerms = field(default_factory=BlobTerms)
    line: LineSettings = field(default_factory=LineSettings)


_DEFAULTS = SqliteSettings()


class SqliteOutbox(CommittingOutbox):
    """An `Outbox` in a file of its own."""

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
            lock = StoreLock.take(path)
            undo.callback(lock.release)
            writer = _writer(path, clock)
            undo.callback(writer.close)
            readers = Readers(partial(connect_reader, path), settings.readers)
            undo.callback(readers.close)
            committer = Committer(writer, clock, settings.line)
            undo.callback(committer.close)
            files = Files(files_beside(path))
            blobs = SqliteBlobs(committer, readers, clock, settings.blobs, files=files)
            parts = OutboxParts(
                committer, readers, blobs, files.find, lock.release, InFiles(files)
            )
            outbox = cls(parts, clock, on_stored)
            undo.pop_all()
        tell("info", "outbox.opened", store=str(path), sqlite=sqlite3.sqlite_version)
        return outbox


def _writer(path: Path, clock: Clock) -> SqliteWriter:
    # What SQLite makes beside the file gets the file's permissions.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        connection = connect_writer(path)
        try:
            prepare(connection, path, clock.now())
            begin_anew(connection, clock.now())
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise StoreForeign(f"{path} can't be opened as a store: {error}") from error
    return SqliteWriter(connection, partial(connect_writer, path))
