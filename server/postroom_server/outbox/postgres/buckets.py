"""The common buckets, in the database and by its clock.

One statement for all scopes that are asked for, in the order of their names.  Half of a
burst is for the bucket and half is for the blocks of the processes that live, so that
both together are not more; with a burst below two for each, a process may hold one.
A crash of the database may forget the last half second of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from postroom_server.outbox.errors import DRIVER_ERRORS
from postroom_server.outbox.leased_tokens import Answer, Ask
from postroom_server.outbox.postgres.connecting import Link


class PostgresBuckets:
    """The buckets of a fleet; used by one thread at a time."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        self._connect = connect
        self._link: Link | None = None
        self._opened: set[str] = set()

    def serve(self, asks: Sequence[Ask]) -> Mapping[str, Answer]:
        """Take and give back; see `Buckets.serve`."""
        try:
            return self._served(asks)
        except DRIVER_ERRORS:
            self.close()
            raise

    def close(self) -> None:
        link, self._link = self._link, None
        # Those that were opened last may be forgotten by then, too.
        self._opened.clear()
        if link is not None:
            with suppress(*DRIVER_ERRORS):
                link.close()

    def _served(self, asks: Sequence[Ask]) -> Mapping[str, Answer]:
        link = self._link
        if link is None:
            link = self._link = self._connect()
            # Nobody waits for the disk: what a crash forgets is a block, at most.
            link.run("commit_later")
        rows = [
            (a.scope, a.rate.per_second, a.rate.burst, a.want, a.held, a.back)
            for a in asks
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        fresh = sorted({ask.scope for ask in asks} - self._opened)
        if fresh:
            link.run("open_buckets", (fresh,))
            self._opened.update(fresh)
        found = link.run("take_tokens", columns).fetchall()
        return {
            scope: Answer(int(granted), float(left), int(block), int(processes))
            for scope, granted, left, block, processes in found
        }
