"""Large octets in files beside the store, named by their SHA-256.

A file is written under another name, flushed, and given its own name at the end: what
has a name is whole and durable.  The same octets are one file, whoever brings them.
What nothing refers to goes in `sweep`, an hour after it was last brought or looked up,
so that nobody loses a file between finding it and referring to it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom_server.domain.errors import NotReady, StoreFull
from postroom_server.domain.octets import StoredOctets, TooManyOctets

UNTOUCHED = 3600.0
"""Seconds after which a file that nothing refers to may go."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_SHARDS = 256


class Incoming:
    """Octets on their way into a file; at most *most* of them.

    For one thread.  Leaving the block that gave it without `keep` discards them.
    """

    def __init__(self, path: Path, folder: Path, most: int) -> None:
        self.size = 0
        self._path = path
        self._folder = folder
        self._most = most
        self._digest = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with _file_errors():
            self._file = os.open(path, flags, 0o600)
        self._is_open = True

    @property
    def sha256(self) -> str:
        """That of what came so far, hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Take the next octets.

        Raises `TooManyOctets`, and `StoreFull` or `NotReady` for the disk.
        """
        self.size += len(data)
        if self.size > self._most:
            raise TooManyOctets(self._most)
        self._digest.update(data)
        left = memoryview(data)
        with _file_errors():
            while left:
                left = left[os.write(self._file, left) :]

    def rest(self) -> None:
        """No more comes: hold no descriptor until `keep`, which others may wait for.

        Raises `StoreFull` or `NotReady`.
        """
        if self._is_open:
            with _file_errors():
                os.fsync(self._file)
            self._close()

    def keep(self) -> StoredOctets:
        """All that came, durably.  Raises `StoreFull` or `NotReady`."""
        sha256 = self.sha256
        target = path_of(self._folder, sha256)
        self.rest()
        with _file_errors():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            self._path.replace(target)
            os.utime(target)
            _flush_folder(target.parent)
            _flush_folder(self._folder)
        return stored(target, sha256, self.size)

    def discard(self) -> None:
        """Leave nothing of it; after `keep`, do nothing."""
        self._close()
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._file)


class Files:
    """The files below *folder*, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._next_shard = 0
        with _file_errors():
            for made in (folder, self._incoming):
                made.mkdir(mode=0o700, exist_ok=True)
            # Left by a process that died: nothing refers to what was not kept.
            for left in self._incoming.iterdir():
                left.unlink()

    @contextmanager
    def receive(self, most: int) -> Iterator[Incoming]:
        """A file to write, of at most *most* octets."""
        path = self._incoming / secrets.token_hex(16)
        incoming = Incoming(path, self._folder, most)
        try:
            yield incoming
        finally:
            incoming.discard()

    def find(self, sha256: str, size: int) -> StoredOctets:
        """The file of that digest; it is there or `DamagedOctets` when it is read."""
        return stored(path_of(self._folder, sha256), sha256, size)

    def touch(self, sha256: str) -> bool:
        """Keep the file from being swept for a while; False if it is gone."""
        try:
            os.utime(path_of(self._folder, sha256))
        except OSError:
            return False
        return True

    def sweep(self, is_used: Callable[[str], bool]) -> int:
        """Remove what nothing refers to, in a part of the files; how many went."""
        shard = self._folder / f"{self._next_shard:02x}"
        self._next_shard = (self._next_shard + 1) % _SHARDS
        if not shard.is_dir():
            return 0
        before = time.time() - UNTOUCHED
        removed = 0
        for path in shard.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before and not is_used(path.name):
                    path.unlink()
                    removed += 1
        return removed


def path_of(folder: Path, sha256: str) -> Path:
    """Where the file of that digest stands."""
    return folder / sha256[:2] / sha256


def stored(path: Path, sha256: str, size: int) -> StoredOctets:
    """The file at *path*, to be read any number of times."""
    # Without a buffer: it is read in large blocks.
    return StoredOctets(sha256, size, lambda: path.open("rb", buffering=0))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _file_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull("the disk of the store is full") from error
        raise NotReady("the store's files can't be written") from error
