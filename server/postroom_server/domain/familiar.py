"""Octets that come again: a leaflet that goes to many, each time in a call of its own.

To see that they are those of a moment ago takes a look at each; to hash, encode and
check them again takes twenty times as long.  So who finds something out about them
keeps it with them.  Only what the same tenant brought is compared, since how long that
takes must not tell who else has it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from postroom_server.domain.limits import MB

FEWEST = 256 * 1024
"""Octets from which on a part is worth being known again."""
HELD = 4 * MB
"""Octets that are held at most, all together; with their base64 2.4 times as many."""
_SAMPLE = 64
"""Octets at both ends by which what came before is looked up."""

_Look = tuple[str, int, bytes, bytes]


class Familiar(bytes):
    """Octets that came before, and what was found out about them.

    *sha256* is hexadecimal, and empty until somebody needed it; so is *base64*, their
    lines in base64.  *has_paired_lines*: CR and LF come as pairs, and no NUL does.
    """

    sha256 = ""
    base64: Familiar | None = None
    has_paired_lines = False


class Recent:
    """The large octets that came last; thread-safe."""

    def __init__(self, held: int = HELD) -> None:
        self._most = held
        self._size = 0
        self._held: OrderedDict[_Look, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, tenant: str, data: bytes) -> bytes:
        """*data*; where *tenant* brought the same before, as `Familiar` octets."""
        if not FEWEST <= len(data) <= self._most:
            return data
        look = (tenant, len(data), data[:_SAMPLE], data[-_SAMPLE:])
        before = self._held.get(look)
        if before is not None and before == data:
            data = before if isinstance(before, Familiar) else Familiar(before)
        self._hold(look, data)
        return data

    def _hold(self, look: _Look, data: bytes) -> None:
        with self._lock:
            self._size += len(data) - len(self._held.pop(look, b""))
            self._held[look] = data
            while self._size > self._most:
                _, gone = self._held.popitem(last=False)
                self._size -= len(gone)
