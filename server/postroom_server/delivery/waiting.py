"""Waiting for a verdict, and what becomes of a delivery when the wait ends first.

The table of `Completion` in the contract: at the limit a relayed send that was not
begun is withdrawn, one that waits for a retry or has not reached its end of data is
given up, and one past it is answered SENDING.  A caller who leaves counts as a limit
that came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from postroom_server.delivery.control import UnderWay
from postroom_server.delivery.waits import Wait, WaitRoom
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery, Recipient, RecipientStatus
from postroom_server.domain.errors import DeadlinePassed, DeliveryNotFound
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Fate, settle, settle_open
from postroom_server.outbox.store import Outbox

BREAKING_OFF = 0.2
"""Seconds that an attempt gets to end once it is called off; within the margin that an
answer keeps to its caller's deadline."""

OUT_OF_TIME = "the caller's time ran out"
CALLER_LEFT = "the caller went away"


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits for deliveries on behalf of callers."""

    outbox: Outbox
    waits: WaitRoom
    under_way: UnderWay
    clock: Clock

    def wait(self, wait: Wait, delivery: Delivery) -> Delivery:
        """The delivery when it is worth an answer, or when *wait* ends.

        Raises `DeadlinePassed` when it was withdrawn.
        """
        news = self._news(wait)
        if news is not None:
            return news
        if delivery.plan.completion is Completion.RELAYED:
            return self._give_up(wait, delivery)
        return self._now(delivery)

    def _news(self, wait: Wait) -> Delivery | None:
        while not wait.left:
            wait.woken.clear()
            answer = wait.answer()
            remaining = wait.limit - self.clock.monotonic()
            if answer is not None or remaining <= 0:
                return answer
            if not wait.left:
                wait.woken.wait(remaining)
        return wait.answer()

    def _give_up(self, wait: Wait, delivery: Delivery) -> Delivery:
        """End a relayed send whose caller waits no more, as far as it can be ended."""
        patience_ends = self.clock.monotonic() + BREAKING_OFF
        while True:
            wait.woken.clear()
            now = self._now(delivery)
            if now.status.is_final or self.waits.others(wait):
                return now
            if now.leased_at is None:
                ended = self._end(now, wait)
                if ended is not None:
                    return ended
                continue
            control = self.under_way.get(now.id)
            if control is not None and control.past_end_of_data:
                return now
            if control is not None:
                control.call_off()
            remaining = patience_ends - self.clock.monotonic()
            if remaining <= 0:
                return self._now(delivery)
            wait.woken.wait(remaining)

    def _end(self, delivery: Delivery, wait: Wait) -> Delivery | None:
        """Settle what waits; None when something else came first."""
        if delivery.attempts_made == 0 and not wait.left:
            return self._withdraw(delivery)
        detail = CALLER_LEFT if wait.left else OUT_OF_TIME
        fates = {r.wire: _given_up(r, detail) for r in delivery.open_recipients}
        change = settle(delivery, fates, self.clock.now())
        return change.after if self.outbox.save(change) else None

    def _withdraw(self, delivery: Delivery) -> Delivery | None:
        fate = Fate(
            status=RecipientStatus.CANCELLED,
            reason=FailureReason.DEADLINE,
            detail=OUT_OF_TIME,
        )
        change = settle_open(delivery, fate, self.clock.now())
        if not self.outbox.save(change, forget_request=True):
            return None
        raise DeadlinePassed(
            "the time ran out before an attempt was begun; the mail was withdrawn"
        )

    def _now(self, delivery: Delivery) -> Delivery:
        found = self.outbox.get(delivery.tenant, delivery.id)
        if found is None:
            raise DeliveryNotFound(delivery.name)
        return found


def _given_up(recipient: Recipient, detail: str) -> Fate:
    """The last that the relay said about it stays."""
    fate = Fate(
        status=RecipientStatus.TEMP_FAILED,
        reason=recipient.reason or FailureReason.DEADLINE,
        reply=recipient.reply,
        detail=recipient.detail,
    )
    return fate if fate.reply or fate.detail else replace(fate, detail=detail)
