"""The record of an attempt: stored with what its thread stores next, and surely stored.

An outcome is given to the store as soon as it is known, and who made the attempt goes
on.  Mail that it has accepted then shares the commit: one wait of the disk between two
mails, not two.

An outcome that can't be stored yet is stored when the store is back, and one whose
words can't be is stored without them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
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


Told = bool | Exception
"""What `Outbox.save` returned, or raised."""


class Kept(Enum):
    """What became of a record in the end."""

    STORED = "it is in the store"
    STALE = "the delivery had moved on: others settled the attempt"
    LEFT = "the process ends, and the store did not take it"


@value(frozen=True, slots=True)
class Outcome:
    """What is given to the store, and tells how the attempt went."""

    conclusion: Conclusion
    change: Change


@value(frozen=True, slots=True)
class Recording:
    """Stores outcomes, until *closing* says that the process must end."""

    outbox: Outbox
    closing: threading.Event
    chance: Chance

    def begin(
        self, conclusion: Conclusion, on_end: Callable[[Outcome, Told], object]
    ) -> None:
        """Give it to the store; raises nothing that the store does.

        *on_end* hears how the first try ended, by any thread; it must not block.
        """
        outcome = Outcome(conclusion, conclusion.change())
        try:
            self.outbox.begin_save(outcome.change, partial(on_end, outcome))
        except Exception as error:  # noqa: BLE001  as any other refusal
            on_end(outcome, error)

    def end(self, outcome: Outcome, told: Told) -> tuple[Kept, Outcome]:
        """What became of *outcome*, and what of it is stored.

        *told* is of the first try.  May wait as long as the store is away.
        """
        try:
            kept = self.record(outcome.change, told)
        except Exception:  # noqa: BLE001  what the relay said may not be storable
            change = outcome.change
            _log.exception("delivery.outcome_refused", delivery=change.after.id)
            bare = outcome.conclusion.bare()
            outcome = Outcome(bare, bare.change())
            kept = self.record(outcome.change)
        return kept, outcome

    def record(self, change: Change, told: Told | None = None) -> Kept:
        """Have *change* stored, however long the store is away.

        *told* is of the first try, where there was one.
        """
        while True:
            try:
                kept = self.outbox.save(change) if told is None else _kept(told)
            except PostroomError as error:
                _log.error(
                    "delivery.outcome_not_stored_yet",
                    delivery=change.after.id,
                    reason=error.reason,
                    full=isinstance(error, StoreFull),
                )
                told = None
                if self.pause():
                    return Kept.LEFT
                continue
            if kept:
                return Kept.STORED
            _log.error("delivery.stale_outcome", delivery=change.after.id)
            return Kept.STALE

    def pause(self) -> bool:
        """Wait a moment until the next try; whether there is to be none."""
        return self.closing.wait(RECORD_AGAIN * (0.5 + self.chance()))


def _kept(told: Told) -> bool:
    if isinstance(told, Exception):
        raise told
    return told
