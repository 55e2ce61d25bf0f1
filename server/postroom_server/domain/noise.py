"""Octets that nobody can guess, taken from the system many at once.

Asking the system gives up the interpreter's lock, and beside busy threads getting it
back costs more than all else about a name.  No process of ours is forked, so no two
have the same stock.
"""

from __future__ import annotations

import os
import threading

_STOCK = 4096


class _Stock:
    """What was taken from the system and not given out yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._octets = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """*count* octets from the system's source for secrets; none is given twice."""
        with self._lock:
            start = self._used
            if start + count > len(self._octets):
                self._octets, start = os.urandom(max(_STOCK, count)), 0
            self._used = start + count
            return self._octets[start : start + count]


unguessable = _Stock().take
"""As many octets from the system's source for secrets; none is given twice."""
