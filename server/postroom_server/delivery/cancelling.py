"""Taking back a delivery whose attempt another process makes.

What is asked is stored first.  The process that makes the attempt sees it, at once or
within a second; if the attempt ends meanwhile in a way that would go on, the delivery
is cancelled then.  So who was told "pending" never finds it tried once more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from postroom_server.delivery.waits import WaitRoom
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.fleet import Fleet, Reaction
from postroom_server.outbox.store import Outbox

ANSWERING = 2.0
"""Seconds for which the other process is waited for: it looks each second."""
SAFETY_NET = 0.25
"""Seconds until we look though nothing was heard."""


@dataclass(frozen=True, slots=True)
class CancelElsewhere:
    """Asks, and waits a little for what becomes of it."""

    outbox: Outbox
    fleet: Fleet
    waits: WaitRoom
    clock: Clock

    def ask(self, delivery: Delivery) -> Reaction | None:
        """What the other process told; None: the attempt is over, or not there.

        `NONE_YET`: it is asked, and the delivery will not be tried again.
        """
        with self.waits.listening(delivery.id) as heard:
            self.fleet.want_news(delivery.id, 2 * ANSWERING)
            return self._reaction(delivery, heard)

    def _reaction(self, delivery: Delivery, heard: threading.Event) -> Reaction | None:
        reaction = self.fleet.cancel(delivery)
        ends_at = self.clock.monotonic() + ANSWERING
        while reaction is Reaction.NONE_YET:
            if not self._is_under_way(delivery):
                return None
            remaining = ends_at - self.clock.monotonic()
            if remaining <= 0:
                return reaction
            heard.wait(min(SAFETY_NET, remaining))
            heard.clear()
            reaction = self.fleet.cancel(delivery)
        return reaction

    def _is_under_way(self, delivery: Delivery) -> bool:
        found = self.outbox.get(delivery.tenant, delivery.id)
        if found is None or found.leased_at is None:
            return False
        return found.attempts_made == delivery.attempts_made
