"""Waiting for a delivery that another process has.

Where its attempt is under way here, news come by themselves.  Where it is not, who
waits looks at the store: soon at first, then each second, and at once when the other
process tells.  Mail that needs a caller is told of the wait, so that it is not given up
while one waits here.
"""

from __future__ import annotations

import math
from dataclasses import field

import structlog

from postroom_server.delivery.control import UnderWay
from postroom_server.delivery.schedule import quick_delay
from postroom_server.delivery.waits import Wait
from postroom_server.domain.clock import Clock, seconds_between
from postroom_server.domain.delivery import Delivery, DeliveryStatus
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.submission import Completion
from postroom_server.domain.values import value
from postroom_server.outbox.fleet import Alone, Fleet
from postroom_server.outbox.store import Outbox

FIRST_LOOK, MOST_PAUSE = 0.1, 1.0
"""Seconds until a caller looks whose mail was begun, or queued, here, and between two
looks at most; pauses double.  A repetition looks at once."""
FIRST_OF_MANY, MOST_OF_MANY = 5.0, 30.0
"""The same for callers without a thread, of whom there may be thousands."""
NEWS_WANTED = 5.0
"""Seconds for which others are asked to tell; each look asks again."""

_log = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class Afar:
    """What callers here learn of deliveries elsewhere."""

    outbox: Outbox
    under_way: UnderWay
    clock: Clock
    fleet: Fleet = field(default_factory=Alone)

    def until(self, wait: Wait) -> float:
        """When the next look is (monotonic)."""
        if self.fleet.is_alone:
            return math.inf
        if wait.look_at is None:
            first = FIRST_LOOK if wait.bell is None else FIRST_OF_MANY
            wait.look_at = self.clock.monotonic() + first
        return wait.look_at

    def look(self, wait: Wait, delivery: Delivery) -> Delivery | None:
        """*delivery* as it is, if that is worth an answer and it is time to look."""
        if self.fleet.is_alone or not self._is_time(wait):
            return None
        wait.nudged = False
        self._pause(wait)
        if self.under_way.get(delivery.id) is not None:
            return None
        try:
            return self._looked(wait, delivery)
        except PostroomError as error:
            _log.warning(
                "delivery.not_looked_at", delivery=delivery.id, reason=error.reason
            )
            return None

    def _pause(self, wait: Wait) -> None:
        first, most = FIRST_LOOK, MOST_PAUSE
        if wait.bell is not None:
            first, most = FIRST_OF_MANY, MOST_OF_MANY
        wait.look_paused = min(most, 2 * wait.look_paused or first)
        wait.look_at = self.clock.monotonic() + wait.look_paused

    def _is_time(self, wait: Wait) -> bool:
        due = wait.look_at is not None and wait.look_at <= self.clock.monotonic()
        return wait.nudged or due

    def is_awaited(self, delivery_id: str) -> float | None:
        """For how many seconds callers wait elsewhere; None: nobody, as far as told."""
        try:
            return self.fleet.patience(delivery_id)
        except PostroomError:
            return None

    def is_elsewhere(self, delivery_id: str) -> bool:
        """Whether another process has it, or nobody; also where the store is away."""
        if self.fleet.is_alone:
            return False
        try:
            return self.fleet.is_elsewhere(delivery_id)
        except PostroomError:
            return True

    def leave(self, wait: Wait, patience: float) -> None:
        """No caller here waits any more for what is elsewhere; it is about to go."""
        try:
            self.fleet.wait_no_more(wait.delivery_id, patience)
        except PostroomError as error:
            # It ends by itself, at the time that was told.
            _log.warning(
                "delivery.not_left", delivery=wait.delivery_id, reason=error.reason
            )

    def _looked(self, wait: Wait, delivery: Delivery) -> Delivery | None:
        found = self.outbox.get(delivery.tenant, delivery.id)
        if found is None:
            return None
        if found.status.is_final or self._is_put_off(found):
            return found
        relayed = found.plan.completion is Completion.RELAYED
        if relayed and not self.fleet.is_elsewhere(found.id):
            return None
        if relayed:
            self.fleet.wait(found, max(0.0, wait.limit - self.clock.monotonic()))
            wait.is_told = True
        self.fleet.want_news(found.id, NEWS_WANTED)
        return None

    def _is_put_off(self, delivery: Delivery) -> bool:
        """Whether its next attempt is not a quick one, which callers wait for."""
        if delivery.status is not DeliveryStatus.RETRY or delivery.due_at is None:
            return False
        if delivery.plan.completion is Completion.RELAYED:
            return False
        quick = quick_delay(delivery.plan.retry, delivery.tries)
        return quick is None or seconds_between(self.clock.now(), delivery.due_at) > (
            quick
        )


def look_at_once(wait: Wait | None) -> None:
    """Who repeats a request may well find its mail elsewhere."""
    if wait is not None:
        wait.nudged = True
