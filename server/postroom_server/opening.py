"""Opens the store that the configuration names: a file, or a fleet's database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Protocol

from postroom_server.config import Config
from postroom_server.domain.clock import Clock
from postroom_server.outbox.commit_counts import CommitReading
from postroom_server.outbox.committing import OnStored
from postroom_server.outbox.fleet import Fleet
from postroom_server.outbox.marks import MarkKeeper, Marks
from postroom_server.outbox.marks_folder import MarksFolder
from postroom_server.outbox.memory.serving import ServedMemoryOutbox
from postroom_server.outbox.pauses import Pauses
from postroom_server.outbox.quotas import Quotas
from postroom_server.outbox.sharing import Sharing
from postroom_server.outbox.sqlite import SqliteOutbox, SqliteSettings
from postroom_server.outbox.store import Blobs, BlobTerms, Outbox
from postroom_server.outbox.tokens import Tokens

if TYPE_CHECKING:
    from postroom_server.outbox.postgres.connecting import Database


class ServedOutbox(Outbox, Protocol):
    """A store, with all that a service asks of it."""

    quotas: Quotas
    tokens: Tokens
    sharing: Sharing
    fleet: Fleet

    @property
    def blobs(self) -> Blobs:
        """Large octets."""

    @property
    def pauses(self) -> Pauses:
        """Relays that an administrator paused."""

    @property
    def is_ready(self) -> bool:
        """Whether the store could be written when it was last tried."""

    def commits(self) -> CommitReading:
        """How long the line for the next commit is, and how those so far went."""

    def finish(self) -> None:
        """Commit what was given so far, and store nothing any more."""

    def watch(self, on_ready: Callable[[bool], None]) -> None:
        """Tell *on_ready* when the store goes away (False), and when it is back."""


OpenStore = Callable[[Config, Clock, OnStored], ServedOutbox]


def open_in_memory(config: Config, clock: Clock, on_stored: OnStored) -> ServedOutbox:
    """A store that is gone with the process, for tests of callers."""
    limits = config.limits
    terms = BlobTerms(retention=limits.blob_retention, quota=limits.max_blobs_bytes)
    return ServedMemoryOutbox(clock, on_stored, terms)


def open_outbox(config: Config, clock: Clock, on_stored: OnStored) -> ServedOutbox:
    """The store, which is made if it is not there.

    *on_stored* is as for `SqliteOutbox.open`.  Raises `StoreUnusableError`.
    """
    limits = config.limits
    terms = BlobTerms(retention=limits.blob_retention, quota=limits.max_blobs_bytes)
    if config.store_url:
        return _join_fleet(config, clock, on_stored, terms)
    return SqliteOutbox.open(
        config.store_path,
        clock=clock,
        on_stored=on_stored,
        settings=SqliteSettings(blobs=terms),
    )


@contextmanager
def marks_of(config: Config, outbox: Outbox) -> Iterator[MarkKeeper]:
    """The marks that go with *outbox*: beside its file, or on this machine.

    Raises `StoreUnusableError`.
    """
    if config.store_url:
        from postroom_server.outbox.postgres.store import PostgresOutbox

        assert isinstance(outbox, PostgresOutbox)
        own = Path(gettempdir()) / f"postroom_marks_{os.geteuid()}"
        folder = Path(config.marks_folder) if config.marks_folder else own
        with outbox.marks_in(MarksFolder(folder)) as marks:
            yield marks
        return
    path = config.store_path
    with closing(Marks.open(path.with_name(f"{path.name}.marks"))) as beside:
        yield beside


def database_of(config: Config) -> Database:
    """The database of a fleet."""
    # Its driver is an extra, which a store in a file does without.
    from postroom_server.outbox.postgres.connecting import Database

    return Database(config.store_url, config.store_password)


def _join_fleet(
    config: Config, clock: Clock, on_stored: OnStored, terms: BlobTerms
) -> ServedOutbox:
    from postroom_server.outbox.postgres.store import PostgresOutbox, PostgresSettings

    return PostgresOutbox.open(
        database_of(config),
        clock=clock,
        on_stored=on_stored,
        settings=PostgresSettings(blobs=terms, objects_url=config.objects_url),
    )
