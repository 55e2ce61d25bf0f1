"""The marks of the processes of one machine, which share a store.

Each has a file of its own in one folder, and holds a lock on it for as long as it
lives, however it ends.  So another process can tell that it is dead, and on which side
of its end of data each of its attempts was.  One that only stands still may go on, and
write an end of data that it had not marked yet: its marks are not believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom_server.outbox.errors import StoreUnusableError
from postroom_server.outbox.marks import Mark, Marks, marks_in_file

_SUFFIX = ".marks"


class MarksFolder:
    """The files of marks in *folder*, which is made if it is not there.

    Raises `StoreUnusableError` unless the folder is ours alone.
    """

    def __init__(self, folder: Path) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise StoreUnusableError(f"{folder} is not a folder of ours, for marks")
        if found.st_mode & 0o077:
            raise StoreUnusableError(f"{folder}, for marks, is open to others")
        self._folder = folder

    @contextmanager
    def own(self, name: str) -> Iterator[Marks]:
        """The marks of this process, *name*, for the time of the block.

        The file stays if a mark does.
        """
        path = self._path(name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            marks = Marks.open(path)
            try:
                marks.forget()
                yield marks
            finally:
                marks.close()
                if not marks_in_file(path):
                    path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def was_marked(self, name: str, mark: Mark) -> bool:
        """Whether the process *name* may have written the end of data of *mark*.

        Only one that is dead, of this run of the machine, is believed that it had not.
        """
        with self._dead(self._path(name)) as path:
            found = None if path is None else marks_in_file(path)
        return found is None or mark in found

    def sweep(self, needed: Collection[str]) -> int:
        """Remove what dead processes left, but for *needed*; how many files went."""
        removed = 0
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.name.removesuffix(_SUFFIX) in needed:
                continue
            with self._dead(path) as dead:
                if dead is not None:
                    dead.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _path(self, name: str) -> Path:
        if not name.isalnum():
            # It comes out of the store; no file elsewhere has such a name.
            name = "0"
        return self._folder / f"{name}{_SUFFIX}"

    @contextmanager
    def _dead(self, path: Path) -> Iterator[Path | None]:
        """*path* where its process has ended; it stays so for the block."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield path
        finally:
            os.close(descriptor)
