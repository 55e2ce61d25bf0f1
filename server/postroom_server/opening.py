"""Opens the store that the configuration names: a file, or a fleet's database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from postroom_server.config import Config
from postroom_server.domain.clock import Clock
from postroom_server.outbox.committing import CommittingOutbox, OnStored
from postroom_server.outbox.marks import MarkKeeper, Marks
from postroom_server.outbox.marks_folder import MarksFolder
from postroom_server.outbox.sqlite import SqliteOutbox, SqliteSettings
from postroom_server.outbox.store import BlobTerms

if TYPE_CHECKING:
    from postroom_server.outbox.postgres.connecting import Database


def open_outbox(config: Config, clock: Clock, on_stored: OnStored) -> CommittingOutbox:
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
def marks_of(config: Config, outbox: CommittingOutbox) -> Iterator[MarkKeeper]:
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
) -> CommittingOutbox:
    from postroom_server.outbox.postgres.store import PostgresOutbox, PostgresSettings

    return PostgresOutbox.open(
        database_of(config),
        clock=clock,
        on_stored=on_stored,
        settings=PostgresSettings(blobs=terms),
    )
