"""How many uploads may hold a thread of a pool that others need too.

A mail that comes in pieces is received on the threads that wait for verdicts, since
its caller then waits for one like any other.  While it is being received it also has a
seat; there are fewer seats than threads, so that slow uploads leave most threads to
those who send.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from postroom_server.domain.errors import Overloaded


class Seats:
    """At most *most* are taken at a time; nobody waits for one."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextmanager
    def taken(self) -> Iterator[ExitStack]:
        """Hold a seat for a ``with`` block, or until the stack given is closed.

        Raises `Overloaded` when all are taken.
        """
        if not self._free.acquire(blocking=False):
            raise Overloaded("too many mails are being received at the moment")
        with ExitStack() as seat:
            seat.callback(self._free.release)
            yield seat
