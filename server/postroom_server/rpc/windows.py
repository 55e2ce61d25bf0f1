"""How many mails each stream may have unanswered, so that all together are bounded.

A stream alone may have a thousand; where there are many, they share.  A stream whose
caller does not read holds its share and nothing of the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_TOGETHER = 8192
"""Mails of all streams; each costs some kilobytes while it waits."""
MOST_EACH = 1000
"""Mails of one stream."""


class Windows:
    """The open streams' shares of *together*, at most *each* and at least one."""

    def __init__(self, together: int = MOST_TOGETHER, each: int = MOST_EACH) -> None:
        self._together = together
        self._each = each
        self._lock = threading.Lock()
        self._open: list[Callable[[], object]] = []
        self.size = each
        """What each stream may have unanswered now."""

    @contextmanager
    def opened(self, on_change: Callable[[], object]) -> Iterator[None]:
        """Share with one more stream for a ``with`` block.

        *on_change* hears of every change of `size`, and must not block.
        """
        self._share(lambda: self._open.append(on_change))
        try:
            yield
        finally:
            self._share(lambda: self._open.remove(on_change))

    def _share(self, change: Callable[[], object]) -> None:
        with self._lock:
            change()
            before, streams = self.size, max(1, len(self._open))
            self.size = max(1, min(self._each, self._together // streams))
            told = tuple(self._open) if self.size != before else ()
        for on_change in told:
            on_change()
