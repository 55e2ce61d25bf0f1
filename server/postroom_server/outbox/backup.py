"""A copy of a store in a file, consistent while the store is served.

First the database, as of one moment; then the octets that it refers to, each of which
stays for an hour at least after the last reference went.  The copy has its name when it
is whole, and is marked: whoever opens it has restored it (`restoring`).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from postroom_server.domain.clock import Instant
from postroom_server.outbox.beside import beside
from postroom_server.outbox.errors import BackupFailed
from postroom_server.outbox.incoming import Place, files_beside, flush_folder
from postroom_server.outbox.restoring import mark_as_copy

BLOCK = 1 << 20
"""Octets that are copied at a time."""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """How much was copied, and the digests of octets that are gone or damaged."""

    deliveries: int
    files: int
    octets: int
    missing: tuple[str, ...] = ()


def back_up(path: Path, target: Path, now: Instant) -> BackedUp:
    """Copy the store at *path* to *target*, which must not be there.

    Octets stand in ``TARGET.files``, as beside a store.  Raises `StoreUnusableError`,
    `BackupFailed` or `OSError`; what was copied so far then stays under other names.
    """
    partial = target.with_name(f"{target.name}.partial")
    files = files_beside(target)
    for taken in (target, files):
        if taken.exists():
            raise BackupFailed(f"{taken} is there already")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        with beside(path) as store:
            store.backup(copy)
        mark_as_copy(copy, now)
        # One file, whatever the copy is moved to.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        source = Place(files_beside(path))
        copied = _with_files(copy, source, Place(files))
    _flush(partial)
    partial.rename(target)
    flush_folder(target.parent)
    return copied


def _with_files(copy: sqlite3.Connection, source: Place, target: Place) -> BackedUp:
    ((deliveries,),) = copy.execute("SELECT count(*) FROM delivery").fetchall()
    missing, files, octets = [], 0, 0
    target.folder.mkdir(mode=0o700)
    for sha256 in _referred_to(copy):
        size = _copied(source.of(sha256), target.of(sha256), sha256)
        if size is None:
            missing.append(sha256)
        else:
            files, octets = files + 1, octets + size
    flush_folder(target.folder)
    return BackedUp(deliveries, files, octets, tuple(missing))


def _referred_to(copy: sqlite3.Connection) -> Iterator[str]:
    query = "SELECT sha256 FROM content_file UNION SELECT sha256 FROM blob"
    for (sha256,) in copy.execute(query):
        yield str(sha256)


def _copied(source: Path, target: Path, sha256: str) -> int | None:
    """The size of what was copied; None where it is gone or damaged."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with source.open("rb") as octets, target.open("xb") as copy:
            os.fchmod(copy.fileno(), 0o600)
            while block := octets.read(BLOCK):
                digest.update(block)
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
    except FileNotFoundError:
        return None
    if digest.hexdigest() != sha256:
        target.unlink()
        return None
    flush_folder(target.parent)
    return target.stat().st_size


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
