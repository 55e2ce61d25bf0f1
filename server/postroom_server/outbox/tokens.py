"""Tokens by scope, for whoever must not start more than so many: one process, or all.

A scope is what a limit is for, such as "relay:main" or "tenant:acme".  Where a fleet
shares a store, the store keeps the buckets, and a process takes a block of tokens at a
time; the buckets of one process alone are in its memory and full at its start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from postroom_server.domain.pacing import Bucket, Grant, Rate

MOST_SCOPES = 10_000
"""Buckets kept; the one that was used least recently goes, and is full again."""


class Tokens(Protocol):
    """Where tokens come from; any thread may ask, and is answered at once."""

    def take(self, scope: str, rate: Rate, want: int) -> Grant:
        """Take up to *want* tokens of *scope*; 0 only tells how long to wait."""

    def wait(self, scope: str, rate: Rate, ahead: int = 0) -> float:
        """Seconds until one can be taken after *ahead* others; may be infinite."""

    def change(self, scope: str, rate: Rate, by: int) -> None:
        """Give *by* tokens back; or take them, there or not, where *by* < 0."""


class LocalTokens:
    """The tokens of one process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def take(self, scope: str, rate: Rate, want: int) -> Grant:
        """Take up to *want* tokens; see `Tokens.take`."""
        with self._lock:
            now = self._monotonic()
            left, grant = self._bucket(scope, rate, now).take(rate, now, want)
            self._keep(scope, left)
        return grant

    def wait(self, scope: str, rate: Rate, ahead: int = 0) -> float:
        """How long until there is one; see `Tokens.wait`."""
        with self._lock:
            now = self._monotonic()
            bucket = self._bucket(scope, rate, now)
        return bucket.filled(rate, now).wait(rate, ahead)

    def change(self, scope: str, rate: Rate, by: int) -> None:
        """Give back, or take regardless; see `Tokens.change`."""
        with self._lock:
            now = self._monotonic()
            bucket = self._bucket(scope, rate, now)
            self._keep(scope, bucket.changed(rate, now, by))

    def _bucket(self, scope: str, rate: Rate, now: float) -> Bucket:
        return self._buckets.get(scope) or Bucket.full(rate, now)

    def _keep(self, scope: str, bucket: Bucket) -> None:
        # Put last, so that the first is the one that was used least recently.
        self._buckets.pop(scope, None)
        self._buckets[scope] = bucket
        if len(self._buckets) > MOST_SCOPES:
            del self._buckets[next(iter(self._buckets))]
