"""What other processes want to hear of, and the words for it.  No I/O.

Words are hints: they may be lost, and what is stored counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from postroom_server.outbox.fleet import Listener
from postroom_server.outbox.work import Work

MOST_WANTED = 10_000
"""Deliveries that others want to hear of, at most."""
CHANGED = "changed"
"""Something that concerns all was changed: a pause, or who is there."""
LOOK = "look"
"""Something is asked of what is at home somewhere."""


def news_of(delivery_id: str) -> str:
    """The words for: something became of this delivery."""
    return f"heard {delivery_id}"


def wish_for_news(delivery_id: str, seconds: float) -> str:
    """The words for: tell us of this delivery, for so long."""
    return f"want {seconds:.1f} {delivery_id}"


def wish_for_events(seconds: float) -> str:
    """The words for: tell us of new events, for so long."""
    return f"watch {seconds:.1f}"


class News:
    """What this process heard, and has to tell; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}
        self._watched_until = 0.0
        self.listener: Listener | None = None
        self.on_change: Callable[[], None] | None = None

    def of(self, works: Iterable[Work[Any]]) -> Iterator[str]:
        """The words for what was just stored, where somebody wants to hear them."""
        now = time.monotonic()
        if now < self._watched_until and any("add_event" in w.rows for w in works):
            yield "events"
        if not self._wanted:
            return
        for work in works:
            for row in work.rows.get("change_delivery", ()):
                if self._wanted.get(str(row[0]), 0.0) > now:
                    yield news_of(str(row[0]))

    def take(self, words: str) -> None:
        """Others said *words*; what we don't know is a newer version's."""
        kind, _, rest = words.partition(" ")
        listener = self.listener
        if kind == "want":
            seconds, _, delivery_id = rest.partition(" ")
            self._want(delivery_id, float(seconds))
        elif kind == "watch":
            self._watched_until = time.monotonic() + float(rest)
        elif kind == CHANGED:
            self._changed()
        elif listener is None:
            return
        elif kind == "heard":
            listener.hear(rest)
        elif kind == LOOK:
            listener.look()
        elif kind == "events":
            listener.read_on()

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _want(self, delivery_id: str, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._wanted) >= MOST_WANTED:
                kept = {d: until for d, until in self._wanted.items() if until > now}
                self._wanted = kept
            if len(self._wanted) < MOST_WANTED:
                self._wanted[delivery_id] = now + seconds
