"""The marks of a fleet's process, and what those tell that died on this machine.

An attempt that was taken over says who made it.  If that process died here, its marks
tell whether the end of data was written; of any other it may have been.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from postroom_server.outbox.marks import Marks
from postroom_server.outbox.marks_folder import MarksFolder
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.node import instance_of
from postroom_server.outbox.readers import Readers


@dataclass(frozen=True, slots=True)
class FleetMarks:
    """The `MarkKeeper` of a process that shares its store."""

    own: Marks
    folder: MarksFolder
    readers: Readers

    def was_marked(self, delivery_id: str, version: int) -> bool:
        """Whether the end of data of an attempt that was left may be written."""
        with self.readers.lend() as connection:
            rows = cast("Link", connection).run("left_by", (delivery_id,)).fetchall()
        mark = (delivery_id, version)
        return not rows or self.folder.was_marked(instance_of(rows[0][0]), mark)

    def forget(self) -> None:
        """Remove the marks of processes that left nothing any more."""
        with self.readers.lend() as connection:
            rows = cast("Link", connection).run("leavers").fetchall()
        self.folder.sweep({instance_of(owner) for (owner,) in rows})

    def mark(self, delivery_id: str, version: int) -> int:
        """Mark what is past its point of no return; the slot to clear."""
        return self.own.mark(delivery_id, version)

    def clear(self, slot: int) -> None:
        """The attempt's end is stored; *slot* is free again."""
        self.own.clear(slot)


@contextmanager
def fleet_marks(
    folder: MarksFolder, instance: str, readers: Readers
) -> Iterator[FleetMarks]:
    """The marks of this process, *instance*, in a file of its own in *folder*."""
    with folder.own(instance) as own:
        yield FleetMarks(own, folder, readers)
