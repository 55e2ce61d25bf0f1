"""Large octets in files beside the store, named by their SHA-256.

The same octets are one file, whoever brings them.  What nothing refers to goes in
`sweep`, an hour after it was last brought or looked up, so that nobody loses a file
between finding it and referring to it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom_server.domain.octets import OnDamage, StoredOctets
from postroom_server.outbox.incoming import Incoming, Place, file_errors, flush_folder

UNTOUCHED = 3600.0
"""Seconds after which a file that nothing refers to may go."""

SHARDS = 256
"""Folders: the first octet of a digest names one."""
SHARDS_AT_ONCE = 8
"""Folders that one sweep looks into.  Swept each minute, all are within 32 minutes."""


class Files:
    """The files below *folder*, which is made if it is not there.

    Raises `OSError` where it can't be.
    """

    def __init__(self, folder: Path) -> None:
        self._place = Place(folder)
        self._next_shard = 0
        self.on_damage: OnDamage | None = None
        """Hears what a reading finds out about a file."""
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
            flush_folder(folder.parent)
        self._place.incoming.mkdir(mode=0o700, exist_ok=True)
        # Left by a process that died: nothing refers to what was not kept.
        for left in self._place.incoming.iterdir():
            left.unlink()

    @contextmanager
    def receive(self, most: int) -> Iterator[Incoming]:
        """A file to write, of at most *most* octets; discarded if it is not kept."""
        incoming = Incoming(self._place, most)
        try:
            yield incoming
        finally:
            incoming.discard()

    def put(self, data: bytes, sha256: str) -> StoredOctets:
        """Keep *data*, of that digest, durably; raises `StoreFull` or `NotReady`."""
        incoming = Incoming(self._place, len(data), sha256)
        try:
            incoming.write(data)
            return incoming.keep()
        finally:
            incoming.discard()

    def find(self, sha256: str, size: int) -> StoredOctets:
        """The file of that digest; it is there or `DamagedOctets` when it is read."""
        return self._place.stored(sha256, size, self.on_damage)

    def touch(self, octets: StoredOctets) -> bool:
        """Keep the file for an hour; False if it is gone, or not of that size."""
        path = self._place.of(octets.sha256)
        with self._place.lock, contextlib.suppress(OSError):
            if path.stat().st_size == octets.size:
                os.utime(path)
                return True
        return False

    def sweep(self, is_used: Callable[[str], bool]) -> int:
        """Remove what nothing refers to, in a part of the files; how many went.

        Raises `NotReady`, and what *is_used* raises.
        """
        removed = 0
        with file_errors():
            for _ in range(SHARDS_AT_ONCE):
                shard = self._place.folder / f"{self._next_shard:02x}"
                self._next_shard = (self._next_shard + 1) % SHARDS
                if shard.is_dir():
                    found = list(shard.iterdir())
                    removed += sum(self._is_removed(path, is_used) for path in found)
        return removed

    def _is_removed(self, path: Path, is_used: Callable[[str], bool]) -> bool:
        """Remove the file at *path* if it is old and unused; whether it went."""
        if not _is_old(path) or is_used(path.name):
            return False
        # Looked at again under the lock: it may have been brought anew meanwhile.
        with self._place.lock:
            if not _is_old(path) or is_used(path.name):
                return False
            path.unlink()
        return True


def _is_old(path: Path) -> bool:
    return path.stat().st_mtime < time.time() - UNTOUCHED
