"""Mail whose time is over while nothing is begun on it.

What has its turn is looked at then, and expires.  What waits behind a relay that is
paused, left alone or not configured any more has none, nor what is far back in a long
queue; so each minute a part of all that waits is looked at besides, in the order of
acceptance, and when it is through, from the start again.
"""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.delivery.waits import News, WaitRoom
from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.transitions import expire
from postroom_server.outbox.store import Outbox

PAGE = 500
"""Deliveries of one read."""
PAGES = 20
"""Reads of one look: 10,000 deliveries take some tenths of a second, in small steps."""


class Expiring:
    """Looks at *outbox*, but while *is_held* says that it is on hold."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        waits: WaitRoom,
        is_held: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._waits = waits
        self._is_held = is_held
        self._place: tuple[Instant, str] | None = None

    def look(self) -> int:
        """Settle what is past its time, of the part whose turn it is; how many."""
        settled = 0
        for _ in range(PAGES):
            if self._is_held():
                break
            settled += self._look_at_page(self._clock.now())
            if self._place is None:
                break
        return settled

    def _look_at_page(self, now: Instant) -> int:
        page = self._outbox.live(now, self._place, PAGE)
        last = page[-1] if len(page) == PAGE else None
        self._place = (last.accepted_at, last.id) if last else None
        over = [d for d in page if d.leased_at is None and d.expire_at <= now]
        return sum(self._settle(delivery, now) for delivery in over)

    def _settle(self, delivery: Delivery, now: Instant) -> bool:
        change = expire(delivery, now)
        if not self._outbox.save(change):
            # Somebody else was faster, and knows better.
            return False
        self._waits.post(News(change.after, answers_now=True))
        return True
