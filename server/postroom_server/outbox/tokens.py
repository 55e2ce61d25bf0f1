"""Tokens by scope, for whoever must not start more than so many: one process, or all.

A scope is what a limit is for, such as "relay:main" or "tenant:acme".  Where a fleet
shares a store, the store keeps the buckets, and a process takes a block of tokens at a
time (`leased_tokens`); the buckets of one process alone are in its memory and full at
its start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from postroom_server.domain.pacing import Bucket, Grant, Rate


class Tokens(Protocol):
    """Where tokens come from; any thread may ask, and is answered at once."""

    def take(self, scope: str, rate: Rate, want: int) -> Grant:
        """Take up to *want* tokens of *scope*; 0 only tells how long to wait."""

    def wait(self, scope: str, rate: Rate, ahead: int = 0) -> float:
        """Seconds until one can be taken after *ahead* others; may be infinite."""

    def give_back(self, scope: str, rate: Rate, count: int) -> None:
        """So many were taken and not needed."""

    def listen(self, on_more: Callable[[], None]) -> None:
        """Call *on_more* when there are tokens that waiting alone did not bring."""


class LocalTokens:
    """The tokens of one process.  Scopes are those of its configuration."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def take(self, scope: str, rate: Rate, want: int) -> Grant:
        """Take up to *want* tokens; see `Tokens.take`."""
        with self._lock:
            now = self._monotonic()
            left, grant = self._bucket(scope, rate, now).take(rate, now, want)
            self._buckets[scope] = left
        return grant

    def wait(self, scope: str, rate: Rate, ahead: int = 0) -> float:
        """How long until there is one; see `Tokens.wait`."""
        with self._lock:
            now = self._monotonic()
            bucket = self._bucket(scope, rate, now)
        return bucket.filled(rate, now).wait(rate, ahead)

    def give_back(self, scope: str, rate: Rate, count: int) -> None:
        """So many were not needed; see `Tokens.give_back`."""
        with self._lock:
            now = self._monotonic()
            bucket = self._bucket(scope, rate, now)
            self._buckets[scope] = bucket.given_back(rate, now, count)

    def listen(self, on_more: Callable[[], None]) -> None:
        """Nothing is to be told: time alone brings tokens."""

    def _bucket(self, scope: str, rate: Rate, now: float) -> Bucket:
        return self._buckets.get(scope) or Bucket.full(rate, now)
