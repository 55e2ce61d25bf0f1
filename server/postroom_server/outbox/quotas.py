"""The recipients of a day: how many, of a number that holds over restarts.

What is spent is counted in the store before it is spent, a block at a time: a process
that dies wastes what it held, and none ever spends more than there is.  Blocks are a
thousandth of what is left, so that at the end of a quota they are what is asked for.
What nobody wants any more is given back (`give_back_idle`, `close`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from postroom_server.domain.errors import PostroomError
from postroom_server.domain.values import value
from postroom_server.outbox.telling import tell

MOST_HELD = 100
"""Taken beyond what was asked for, at most."""
SHARE_HELD = 1000
"""The same, as a part of what is left."""
IDLE = 1.0
"""Seconds after which what was not wanted is for others."""


@value(frozen=True, slots=True)
class Quota:
    """*most* on *day* (UTC, since 1970) for *scope*, such as "relay:main"."""

    scope: str
    day: int
    most: int


@value(frozen=True, slots=True)
class Taken:
    """What the store gave: *count*, and how many are *left* for everybody."""

    count: int
    left: int


class QuotaStore(Protocol):
    """What is durable of them.  Raises `NotReady` and the like as the store does."""

    def take(self, quota: Quota, least: int, most: int) -> Taken:
        """Use *most* of it or what is left; where that is below *least*, nothing."""

    def give_back(self, quota: Quota, count: int) -> None:
        """So many were not used after all."""

    def left(self, quota: Quota) -> int:
        """How many there are for everybody."""


@dataclass(slots=True)
class _Share:
    """What this process holds of a quota, and what it knows of the rest."""

    quota: Quota
    held: int
    left: int
    wanted_at: float


class Quotas:
    """What this process may spend; thread-safe."""

    def __init__(self, store: QuotaStore, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}

    def left(self, quota: Quota) -> int:
        """How many there are, as far as is known here; never waits for the store."""
        with self._lock:
            share = self._share(quota)
            return share.held + share.left

    def spend(self, quota: Quota, count: int) -> bool:
        """Spend *count*, or nothing (False); durable before it returns.

        May wait for the store, and raises what the store raises.
        """
        with self._lock:
            share = self._share(quota)
            share.wanted_at = self._monotonic()
            used = min(share.held, count)
            share.held -= used
            ahead = min(MOST_HELD, share.left // SHARE_HELD)
        lacking, taken = count - used, None
        try:
            if lacking:
                taken = self._store.take(quota, lacking, lacking + ahead)
        finally:
            enough = lacking == 0 or (taken is not None and taken.count > 0)
            surplus = taken.count - lacking if taken is not None and enough else 0
            with self._lock:
                share.held += surplus if enough else used
                if taken is not None:
                    share.left = taken.left
        return enough

    def give_back(self, quota: Quota, count: int) -> None:
        """So many were spent and not needed."""
        with self._lock:
            share = self._share(quota)
            if share.quota.day == quota.day:
                share.held += count

    def give_back_idle(self) -> None:
        """Let others have what nobody wanted here, and look what others let us have.

        Raises what the store raises.
        """
        now = self._monotonic()
        with self._lock:
            shares = list(self._shares.values())
        for share in shares:
            if share.held and now - share.wanted_at >= IDLE:
                self._return(share)
            share.left = self._store.left(share.quota)

    def close(self) -> None:
        """Give back what is held, as far as the store can be reached."""
        with self._lock:
            shares = list(self._shares.values())
        try:
            for share in shares:
                self._return(share)
        except PostroomError as error:
            tell("warning", "outbox.quota_not_returned", reason=error.reason)

    def _return(self, share: _Share) -> None:
        with self._lock:
            held, share.held = share.held, 0
        if held:
            self._store.give_back(share.quota, held)

    def _share(self, quota: Quota) -> _Share:
        """What is held for that day; of a day that is over nothing is of use."""
        share = self._shares.get(quota.scope)
        if share is None or share.quota.day < quota.day:
            share = _Share(quota, 0, quota.most, self._monotonic())
            self._shares[quota.scope] = share
        return share


class LocalQuotaStore:
    """The quotas of one process, gone with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, tuple[int, int]] = {}
        """By scope, the last day and what was used of it."""

    def take(self, quota: Quota, least: int, most: int) -> Taken:
        """Use some of it; see `QuotaStore.take`."""
        with self._lock:
            day, used = self._on(quota)
            count = granted(quota, used, least, most)
            self._used[quota.scope] = (day, used + count)
        return Taken(count, max(0, quota.most - used - count))

    def give_back(self, quota: Quota, count: int) -> None:
        """So many were not used; see `QuotaStore.give_back`."""
        with self._lock:
            day, used = self._on(quota)
            if day == quota.day:
                self._used[quota.scope] = (day, used - count)

    def left(self, quota: Quota) -> int:
        """How many there are; see `QuotaStore.left`."""
        with self._lock:
            return max(0, quota.most - self._on(quota)[1])

    def _on(self, quota: Quota) -> tuple[int, int]:
        """The day that counts, and what was used of it."""
        day, used = self._used.get(quota.scope, (quota.day, 0))
        return (day, used) if day >= quota.day else (quota.day, 0)


def granted(quota: Quota, used: int, least: int, most: int) -> int:
    """How many of *most* may be used, where at *least* so many are wanted."""
    count = min(most, quota.most - used)
    return count if count >= least else 0
