"""Who is being served over HTTP: a bounded number, each for a bounded time.

A visitor who has not asked for anything yet gives way to one who comes when all places
are taken; so those who hold connections open, or send their request octet by octet,
keep nobody out.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(slots=True)
class _Visit:
    began: float
    asked: bool = False
    ended: bool = False


class Visitors:
    """The open connections; safe for threads."""

    def __init__(
        self, most: int, longest: float, monotonic: Callable[[], float]
    ) -> None:
        self._most = most
        self._longest = longest
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._visits: dict[socket.socket, _Visit] = {}

    def __len__(self) -> int:
        return len(self._visits)

    def come(self, connection: socket.socket) -> bool:
        """Let *connection* in; False: there is no place for it."""
        with self._lock:
            if len(self._visits) >= self._most and not self._make_room():
                return False
            self._visits[connection] = _Visit(self._monotonic())
            return True

    def asks(self, connection: socket.socket) -> None:
        """The request is complete: it will be answered."""
        with self._lock:
            self._visits[connection].asked = True

    def leave(self, connection: socket.socket) -> None:
        """It was served, or is gone."""
        with self._lock:
            self._visits.pop(connection, None)

    def end_overdue(self) -> None:
        """End those who have been here too long."""
        with self._lock:
            oldest = self._monotonic() - self._longest
            for connection, visit in self._visits.items():
                if visit.began <= oldest:
                    _end(connection, visit)

    def end_all(self) -> None:
        """End everybody."""
        with self._lock:
            for connection, visit in self._visits.items():
                _end(connection, visit)

    def _make_room(self) -> bool:
        for connection, visit in self._visits.items():
            if not (visit.asked or visit.ended):
                _end(connection, visit)
                return True
        return False


def _end(connection: socket.socket, visit: _Visit) -> None:
    """Whoever reads from it, or writes to it, hears of it at once."""
    visit.ended = True
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
