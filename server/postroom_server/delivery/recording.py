"""The record of an attempt: stored with what its thread stores next, and surely stored.

An outcome is given to the store as soon as it is known; who made the attempt comes back
to wait for it.  Mail that it accepts meanwhile shares the commit: one wait of the disk
between two mails, not two.

An outcome that can't be stored yet is stored when the store is back, and one whose
words can't be is stored without them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import structlog

from postroom_server.delivery.attempts import Course
from postroom_server.delivery.decision import Decision, Situation
from postroom_server.delivery.schedule import Chance
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import PostroomError, StoreFull
from postroom_server.domain.transitions import Change, finish_attempt
from postroom_server.domain.values import value
from postroom_server.outbox.store import Outbox

RECORD_AGAIN = 0.5
"""Seconds between tries to store an outcome; jittered."""

_log = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class Conclusion:
    """How the attempt on *delivery* went, and what follows."""

    delivery: Delivery
    course: Course
    decision: Decision
    situation: Situation

    def change(self) -> Change:
        """What it makes of the delivery."""
        now, delivery = self.situation.now, self.delivery
        due_at, fates = self.decision.due_at, self.decision.fates
        if due_at is not None:
            # After its expiry it would be looked at once more then, and expire.
            due_at = min(due_at, max(now, delivery.expire_at))
        attempt = self.course.attempt(delivery, now)
        return finish_attempt(delivery, attempt, fates, due_at)

    def bare(self) -> Conclusion:
        """What counts of it, without any text that came from outside."""
        course, decision = self.course.bare(), self.decision.bare()
        return Conclusion(self.delivery, course, decision, self.situation)


@value(frozen=True, slots=True)
class Saving:
    """What was given to the store; *stored* waits, and raises as `Outbox.save`."""

    conclusion: Conclusion
    change: Change
    stored: Callable[[], bool]


@value(frozen=True, slots=True)
class Recording:
    """Stores outcomes, until *closing* says that the process must end."""

    outbox: Outbox
    closing: threading.Event
    chance: Chance

    def begin(self, conclusion: Conclusion) -> Saving:
        """Give it to the store; raises nothing that the store does."""
        change = conclusion.change()
        try:
            stored = self.outbox.begin_save(change)
        except Exception:  # noqa: BLE001  what it is shows when it is tried again
            stored = partial(self.outbox.save, change)
        return Saving(conclusion, change, stored)

    def end(self, saving: Saving) -> Saving | None:
        """What was stored in the end; None if it is stale, or the process ends."""
        try:
            stored = self.record(saving.change, saving.stored)
        except Exception:  # noqa: BLE001  what the relay said may not be storable
            change = saving.change
            _log.exception("delivery.outcome_refused", delivery=change.after.id)
            saving = self.begin(saving.conclusion.bare())
            stored = self.record(saving.change, saving.stored)
        return saving if stored else None

    def record(self, change: Change, stored: Callable[[], bool] | None = None) -> bool:
        """Have *change* stored, however long the store is away; False if it is stale.

        *stored* waits for the first try, where one was begun.
        """
        while True:
            try:
                kept = stored() if stored else self.outbox.save(change)
            except PostroomError as error:
                _log.error(
                    "delivery.outcome_not_stored_yet",
                    delivery=change.after.id,
                    reason=error.reason,
                    full=isinstance(error, StoreFull),
                )
                stored = None
                if self.pause():
                    return False
                continue
            if not kept:
                _log.error("delivery.stale_outcome", delivery=change.after.id)
            return kept

    def pause(self) -> bool:
        """Wait a moment until the next try; whether there is to be none."""
        return self.closing.wait(RECORD_AGAIN * (0.5 + self.chance()))
