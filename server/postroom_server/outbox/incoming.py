"""Octets on their way into a file, which has no name before it is whole.

What is written under a name of its own is flushed and then renamed to its SHA-256:
what has that name is whole and durable, whatever ends the process.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from postroom_server.domain.errors import NotReady, StoreFull
from postroom_server.domain.limits import MB
from postroom_server.domain.octets import OnDamage, StoredOctets, TooManyOctets

RESERVE = 64 * MB
"""Octets of the disk that uploads leave free: what becomes of mail under way must
still be recorded when somebody fills the disk with files."""

LOOK = MB
"""Octets of one upload between two looks at how full the disk is."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def files_beside(store: Path) -> Path:
    """The folder of the files that belong to the store in the file *store*."""
    return store.with_name(f"{store.name}.files")


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of the files.

    *lock* is held while a file gets its name or more time, and while one is judged and
    removed: nobody is given a file that goes.
    """

    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    _flushed: set[Path] = field(default_factory=set)
    """Folders in it whose own names are durable."""

    @property
    def incoming(self) -> Path:
        """Where files are that have no name yet."""
        return self.folder / "incoming"

    def of(self, sha256: str) -> Path:
        """Where the file of that digest stands."""
        return self.folder / sha256[:2] / sha256

    def stored(
        self, sha256: str, size: int, on_damage: OnDamage | None = None
    ) -> StoredOctets:
        """The file of that digest, to be read any number of times."""
        return octets_at(self.of(sha256), sha256, size, on_damage)

    def adopt(self, path: Path, sha256: str) -> None:
        """Give the file at *path*, which was flushed, its name, durably."""
        target = self.of(sha256)
        shard = target.parent
        if not shard.is_dir():
            self._flushed.discard(shard)
            shard.mkdir(mode=0o700, exist_ok=True)
        os.utime(path)
        with self.lock:
            path.replace(target)
        flush_folder(shard)
        if shard not in self._flushed:
            flush_folder(self.folder)
            self._flushed.add(shard)


def octets_at(
    path: Path, sha256: str, size: int, on_damage: OnDamage | None = None
) -> StoredOctets:
    """What is at *path*, to be read as long as it stands there."""
    # Without a buffer: it is read in large blocks.
    return StoredOctets(sha256, size, lambda: path.open("rb", buffering=0), on_damage)


class Incoming:
    """Octets on their way into a file; at most *most* of them.

    For one thread.  What is not kept is to be discarded.  *sha256*: that of all that
    comes, where it is known.
    """

    def __init__(self, place: Place, most: int, sha256: str = "") -> None:
        self.size = 0
        self._place = place
        self._most = most
        self._look_at = 0
        self._known = sha256
        self._digest = hashlib.sha256()
        self._path = place.incoming / secrets.token_hex(16)
        with file_errors():
            self._file = os.open(self._path, _NEW, 0o600)
        self._is_open = True

    @property
    def sha256(self) -> str:
        """That of what came so far, hexadecimal."""
        return self._known or self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Take the next octets.

        Raises `TooManyOctets`, and `StoreFull` or `NotReady` for the disk.
        """
        self.size += len(data)
        if self.size > self._most:
            raise TooManyOctets(self._most)
        if not self._known:
            self._digest.update(data)
        left = memoryview(data)
        with file_errors():
            if self.size > self._look_at:
                self._look_at = self.size + LOOK
                self._refuse_if_full()
            while left:
                left = left[os.write(self._file, left) :]

    def rest(self) -> None:
        """No more comes: hold no descriptor until `keep`, which others may wait for.

        Raises `StoreFull` or `NotReady`.
        """
        if self._is_open:
            with file_errors():
                os.fsync(self._file)
                if self._known:
                    # Who knew the digest has the octets still.  Pages that others
                    # fill next are warm; those of a cache that grows are not.
                    os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
            self._close()

    def peek(self) -> StoredOctets:
        """All that came, to be read as long as it is neither kept nor discarded."""
        return octets_at(self._path, self.sha256, self.size)

    def keep(self) -> StoredOctets:
        """All that came, durably.  Raises `StoreFull` or `NotReady`."""
        sha256 = self.sha256
        self.rest()
        with file_errors():
            self._place.adopt(self._path, sha256)
        return self._place.stored(sha256, self.size)

    def discard(self) -> None:
        """Leave nothing of it; after `keep`, do nothing."""
        self._close()
        self._path.unlink(missing_ok=True)

    def _refuse_if_full(self) -> None:
        disk = os.fstatvfs(self._file)
        if disk.f_bavail * disk.f_frsize < RESERVE:
            raise StoreFull("the disk of the store is nearly full")

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._file)


def flush_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def file_errors() -> Iterator[None]:
    """Let no `OSError` out: it is `StoreFull` or `NotReady`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull("the disk of the store is full") from error
        raise NotReady("the store's files can't be reached") from error
