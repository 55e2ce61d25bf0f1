"""The callers who wait for deliveries, and what they learn.

A delivery may have several (a twin call with the same request id); the last one to
leave decides what becomes of a relayed send.  The room knows how long anyone will
still wait, which bounds every step of an attempt.

The lock guards the room's own numbers; nothing is called while it is held.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from postroom_server.delivery.signals import Bell
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class News:
    """A delivery after a step; *answers_now* when it is worth an answer."""

    delivery: Delivery
    answers_now: bool


@dataclass(slots=True, eq=False)
class Wait:
    """One caller's wait, until *limit* (monotonic) or until the caller has *left*.

    *over*: its caller has stopped to wait and is about to be answered.  *bell* is rung
    with each `wake`, for a caller that has no thread here; it must not block.

    What another process has is looked at at *look_at* (monotonic; None: not yet
    known), after a pause of *look_paused*, or at once when *nudged*; *is_told*: that
    process knows of the wait.
    """

    delivery_id: str
    relay: str
    limit: float
    tenant: str = ""
    news: News | None = None
    left: bool = False
    over: bool = False
    bell: Callable[[], object] | None = None
    look_at: float | None = None
    look_paused: float = 0.0
    nudged: bool = False
    is_told: bool = False
    woken: Bell = field(default_factory=Bell)

    def leave(self) -> None:
        """The caller is gone."""
        self.left = True
        self.wake()

    def wake(self) -> None:
        """There is something to look at."""
        self.woken.ring()
        if self.bell is not None:
            self.bell()

    def answer(self, known: Delivery | None = None) -> Delivery | None:
        """What the caller may be told, if there is news worth it.

        News from before what is *known* is none: an attempt is told of after it is
        stored, and who read that may have had it go on.
        """
        news = self.news
        if news is None or not news.answers_now:
            return None
        is_old = known is not None and news.delivery.version < known.version
        return None if is_old else news.delivery


class WaitRoom:
    """All waits of this process, at most *per_relay* with a thread for one relay.

    It also knows until when callers of other processes wait for what is at home here.

    *shared*: among several tenants, each of which may have three quarters.  Waits with
    a bell hold no thread and are not among these.
    *closing* says that no attempt will be begun any more.
    """

    def __init__(self, per_relay: int, *, shared: bool = False) -> None:
        self._per_relay = per_relay
        self._per_tenant = per_relay - per_relay // 4 if shared else per_relay
        self._lock = threading.Lock()
        self._waits: dict[str, list[Wait]] = {}
        self._ears: dict[str, list[threading.Event]] = {}
        self._elsewhere: dict[str, float] = {}
        self._heard: frozenset[tuple[str, str]] = frozenset()
        self._by_relay: Counter[str] = Counter()
        self._threads: Counter[str] = Counter()
        self._by_tenant: Counter[tuple[str, str]] = Counter()
        self.closing = False

    def count(self, relay: str) -> int:
        """How many callers wait for *relay*."""
        with self._lock:
            return self._by_relay[relay]

    def enter(
        self,
        delivery_id: str,
        relay: str,
        limit: float,
        tenant: str = "",
        *,
        bell: Callable[[], object] | None = None,
    ) -> Wait | None:
        """Begin to wait; None when too many wait for *relay*, or of *tenant*."""
        wait = Wait(delivery_id, relay, limit, tenant, bell=bell)
        with self._lock:
            if bell is None and not self._sit_down(relay, tenant):
                return None
            self._by_relay[relay] += 1
            self._waits.setdefault(delivery_id, []).append(wait)
        return wait

    def _sit_down(self, relay: str, tenant: str) -> bool:
        """Count one more thread that waits; False where there may be none."""
        whose = (relay, tenant)
        if self._threads[relay] >= self._per_relay:
            return False
        if self._by_tenant[whose] >= self._per_tenant:
            return False
        self._threads[relay] += 1
        self._by_tenant[whose] += 1
        return True

    def leave(self, wait: Wait) -> None:
        """End a wait."""
        with self._lock:
            if wait.bell is None:
                self._threads[wait.relay] -= 1
                self._by_tenant[wait.relay, wait.tenant] -= 1
            self._by_relay[wait.relay] -= 1
            waits = self._waits[wait.delivery_id]
            waits.remove(wait)
            if not waits:
                del self._waits[wait.delivery_id]

    def is_last(self, wait: Wait) -> bool:
        """Note that *wait* is over; whether nobody waits for the delivery any more.

        Noting and looking are one step: of two who end at once, one is the last.
        """
        with self._lock:
            wait.over = True
            if wait.delivery_id in self._elsewhere:
                return False
            return all(w.over or w.left for w in self._waits[wait.delivery_id])

    def limit(self, delivery_id: str) -> float | None:
        """Until when anyone waits (monotonic); None when nobody does."""
        latest: float | None = None
        with self._lock:
            for wait in self._waits.get(delivery_id, ()):
                if wait.left or wait.over:
                    continue
                if latest is None or wait.limit > latest:
                    latest = wait.limit
            if self._elsewhere and delivery_id in self._elsewhere:
                return max(latest or 0.0, self._elsewhere[delivery_id])
        return latest

    def awaited_elsewhere(self, tenant: str, delivery_id: str, limit: float) -> None:
        """Callers of other processes wait for the delivery until *limit*."""
        with self._lock:
            self._elsewhere[delivery_id] = limit
            self._heard |= {(tenant, delivery_id)}

    def heard_elsewhere(
        self, limits: Mapping[tuple[str, str], float]
    ) -> Collection[tuple[str, str]]:
        """Callers elsewhere wait so long, by tenant and id, and no others do.

        What they waited for until now, and nobody here does.
        """
        with self._lock:
            self._elsewhere = {key[1]: limit for key, limit in limits.items()}
            gone = self._heard - limits.keys()
            # Who waits here sees to it; and if it is just leaving, the next look does.
            left = {key for key in gone if key[1] not in self._waits}
            self._heard = (self._heard | limits.keys()) - left
            return left

    def nudge(self, delivery_id: str) -> None:
        """Something became of the delivery elsewhere: let who waits look."""
        with self._lock:
            waits = list(self._waits.get(delivery_id, ()))
            ears = list(self._ears.get(delivery_id, ()))
        for wait in waits:
            wait.nudged = True
            wait.wake()
        for heard in ears:
            heard.set()

    @contextmanager
    def listening(self, delivery_id: str) -> Iterator[threading.Event]:
        """What is set, within the block, when something became of it elsewhere."""
        heard = threading.Event()
        with self._lock:
            self._ears.setdefault(delivery_id, []).append(heard)
        try:
            yield heard
        finally:
            with self._lock:
                self._ears[delivery_id].remove(heard)
                if not self._ears[delivery_id]:
                    del self._ears[delivery_id]

    def post(self, news: News) -> None:
        """Tell everyone who waits for the delivery."""
        with self._lock:
            waits = list(self._waits.get(news.delivery.id, ()))
        for wait in waits:
            wait.news = news
            wait.wake()

    def close(self) -> None:
        """No attempt will be begun any more: let everyone look whether to wait on."""
        with self._lock:
            self.closing = True
            everyone = [wait for waits in self._waits.values() for wait in waits]
        for wait in everyone:
            wait.wake()
