"""Exactly one process has a store open.

SQLite before 3.51.3 can corrupt a write-ahead log that two connections write or
checkpoint at once; one process with one writing connection can't meet that defect.
The lock belongs to the process and ends with it, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from postroom_server.outbox.errors import StoreLocked


class StoreLock:
    """The lock file beside the store, held from `take` to `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, store: Path) -> StoreLock:
        """Hold the lock of *store*; `StoreLocked` if another process (or we) do."""
        path = store.with_name(f"{store.name}.lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StoreLocked(
                f"the store is in use by another process (it holds {path})"
            ) from error
        return cls(descriptor)

    def release(self) -> None:
        """Let go.  The file stays: removing it would let two processes lock two."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
