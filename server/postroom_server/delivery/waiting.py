"""Waiting for a verdict, and what becomes of a delivery when the wait ends first.

The table of `Completion` in the contract: at the limit a relayed send that was not
begun is withdrawn, one that waits for a retry or has not reached its end of data is
given up, and one past it is answered SENDING.  A caller who leaves counts as a limit
that came, and so does the end of our process where no attempt is under way: waiting on
would use up the grace of those whose mail is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from postroom_server.delivery.afar import Afar
from postroom_server.delivery.control import UnderWay
from postroom_server.delivery.waits import News, Wait, WaitRoom
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import Clock, seconds_between
from postroom_server.domain.delivery import Delivery, Recipient, RecipientStatus
from postroom_server.domain.errors import DeadlinePassed, Draining, PostroomError
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import (
    Change,
    Fate,
    expire,
    settle,
    settle_open,
)
from postroom_server.outbox.fleet import Alone, Fleet
from postroom_server.outbox.store import Outbox

BREAKING_OFF = 0.2
"""Seconds that an attempt gets to end once it is called off; within the margin that an
answer keeps to its caller's deadline."""
NOT_BEGUN = 0.01
"""Seconds between looks at an attempt that was claimed and has not begun."""

OUT_OF_TIME = "the caller's time ran out"
CALLER_LEFT = "the caller went away"
WE_LEAVE = "the service is shutting down"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits for deliveries on behalf of callers."""

    outbox: Outbox
    waits: WaitRoom
    under_way: UnderWay
    clock: Clock
    fleet: Fleet = field(default_factory=Alone)

    @property
    def afar(self) -> Afar:
        """What is learned of deliveries elsewhere."""
        return Afar(self.outbox, self.under_way, self.clock, self.fleet)

    def wait(self, wait: Wait, delivery: Delivery) -> Delivery:
        """The delivery when it is worth an answer, or when *wait* ends.

        Raises `DeadlinePassed` or `Draining` when it was withdrawn, and nothing else:
        mail that was accepted is no error, not even when the store can't be read.
        """
        while True:
            answer = self.look(wait, delivery)
            if answer is not None:
                return answer
            if not wait.left:
                pause = self.until(wait, delivery) - self.clock.monotonic()
                wait.woken.hear(pause)

    def look(self, wait: Wait, delivery: Delivery) -> Delivery | None:
        """What `wait` would return or raise now; None: it would go on."""
        # While an attempt is under way it is neither.
        rests = delivery.leased_at is None
        if rests and (delivery.status.is_final or self._goes_on_later(delivery, wait)):
            return delivery
        answer = wait.answer(delivery)
        if answer is not None:
            return answer
        if not wait.left and wait.limit > self.clock.monotonic():
            ended = self._ended_early(wait, delivery)
            return ended or self.afar.look(wait, delivery)
        if delivery.plan.completion is Completion.RELAYED:
            return self._give_up(wait, delivery)
        return self._now(wait, delivery)

    def until(self, wait: Wait, delivery: Delivery) -> float:
        """The monotonic instant at which to look even without news."""
        latest = min(wait.limit, self.afar.until(wait))
        expires_in = seconds_between(self.clock.now(), delivery.expire_at)
        if expires_in <= 0:
            # Past its expiry an attempt is under way, whose end is news.
            return latest
        return min(latest, self.clock.monotonic() + expires_in)

    def _goes_on_later(self, delivery: Delivery, wait: Wait) -> bool:
        """Whether nothing will happen to it before *wait* ends."""
        if delivery.plan.completion is Completion.RELAYED or delivery.due_at is None:
            return False
        due_in = seconds_between(self.clock.now(), delivery.due_at)
        return due_in > wait.limit - self.clock.monotonic()

    def _ended_early(self, wait: Wait, delivery: Delivery) -> Delivery | None:
        """The delivery if it ends before *wait* does, and without news; else None."""
        if self.waits.closing:
            left_behind = self._left_behind(wait, delivery)
            if left_behind is not None:
                return left_behind
        if delivery.expire_at > self.clock.now():
            return None
        return self._expired(wait, delivery)

    def _left_behind(self, wait: Wait, delivery: Delivery) -> Delivery | None:
        """The delivery, for which this process does no more; None: it still does.

        Raises `Draining` when it was withdrawn.
        """
        now = self._now(wait, delivery)
        if now.leased_at is not None:
            return None
        goes_on = now.status.is_final or not _is_relayed(now)
        goes_on = goes_on or self.afar.is_elsewhere(now.id) or self.awaited(now)
        return now if goes_on else self._end(now, wait)

    def _expired(self, wait: Wait, delivery: Delivery) -> Delivery | None:
        """The delivery if it is over, now that its time is; None: not yet."""
        now = self._now(wait, delivery)
        if now.status.is_final:
            return now
        if now.leased_at is not None or now.expire_at > self.clock.now():
            return None
        after = self._stored(expire(now, self.clock.now()))
        return after if after is not None and after.status.is_final else None

    def _give_up(self, wait: Wait, delivery: Delivery) -> Delivery:
        """End a relayed send whose caller waits no more, as far as it can be ended."""
        if wait.is_told:
            return self._leave_to_others(wait, delivery)
        if self.waits.is_last(wait) and self.awaited(delivery):
            return self._now(wait, delivery)
        return self._ended(wait, delivery)

    def _ended(self, wait: Wait, delivery: Delivery) -> Delivery:
        patience_ends = self.clock.monotonic() + BREAKING_OFF
        while self.waits.is_last(wait):
            control = self.under_way.get(delivery.id)
            if control is not None:
                control.call_off()
            now = self._now(wait, delivery)
            if now.status.is_final or not _is_relayed(now):
                return now
            if now.leased_at is None:
                if self.afar.is_elsewhere(now.id):
                    # Callers there may wait for it, and nobody told them of this one.
                    return now
                ended = self._end(now, wait)
                if ended is not None:
                    return ended
                continue
            remaining = patience_ends - self.clock.monotonic()
            if remaining <= 0 or (control is not None and control.past_end_of_data):
                return now
            # It may be claimed and not begun yet.
            wait.woken.hear(remaining if control else min(remaining, NOT_BEGUN))
        return self._now(wait, delivery)

    def awaited(self, delivery: Delivery) -> bool:
        """Whether callers elsewhere wait for the delivery, which is noted."""
        return self._awaited(delivery.tenant, delivery.id)

    def _awaited(self, tenant: str, delivery_id: str) -> bool:
        seconds = None if self.fleet.is_alone else self.afar.is_awaited(delivery_id)
        if seconds is None:
            return False
        limit = self.clock.monotonic() + seconds
        self.waits.awaited_elsewhere(tenant, delivery_id, limit)
        return True

    def is_awaited(self, delivery: Delivery) -> bool:
        """Whether anyone waits for the delivery, here or elsewhere."""
        return self.waits.limit(delivery.id) is not None or self.awaited(delivery)

    def give_up(self, tenant: str, delivery_id: str) -> None:
        """End a relayed send for which nobody waits any more, wherever."""
        if self.waits.limit(delivery_id) is not None:
            return
        if self._awaited(tenant, delivery_id):
            # Somebody came after it was read who waits.
            return
        control = self.under_way.get(delivery_id)
        if control is not None:
            control.call_off()
            return
        found = self.outbox.get(tenant, delivery_id)
        if found is None or found.status.is_final or found.leased_at is not None:
            return
        if _is_relayed(found):
            fates = {r.wire: _given_up(r, CALLER_LEFT) for r in found.open_recipients}
            self._stored(settle(found, fates, self.clock.now()))

    def _leave_to_others(self, wait: Wait, delivery: Delivery) -> Delivery:
        """Where it is at home it ends, if nobody waits there either."""
        until = self.clock.monotonic() + BREAKING_OFF
        if self.waits.is_last(wait):
            self.afar.leave(wait, BREAKING_OFF)
        while True:
            now = self._now(wait, delivery)
            remaining = until - self.clock.monotonic()
            if now.status.is_final or remaining <= 0:
                return now
            wait.woken.hear(min(remaining, BREAKING_OFF / 4))

    def _end(self, delivery: Delivery, wait: Wait) -> Delivery | None:
        """Settle what waits; None when something else came first."""
        if delivery.is_untouched and not wait.left:
            return self._withdraw(delivery)
        detail = CALLER_LEFT if wait.left else self._why
        fates = {r.wire: _given_up(r, detail) for r in delivery.open_recipients}
        return self._stored(settle(delivery, fates, self.clock.now()))

    def _withdraw(self, delivery: Delivery) -> Delivery | None:
        fate = Fate(
            status=RecipientStatus.CANCELLED,
            reason=FailureReason.DEADLINE,
            detail=self._why,
        )
        change = settle_open(delivery, fate, self.clock.now())
        after = self._stored(change, forget_request=True)
        if after is change.after and self.waits.closing:
            raise Draining(WE_LEAVE)
        if after is change.after:
            raise DeadlinePassed(
                "the time ran out before an attempt was begun; the mail was withdrawn"
            )
        return after

    @property
    def _why(self) -> str:
        return WE_LEAVE if self.waits.closing else OUT_OF_TIME

    def _stored(
        self, change: Change, *, forget_request: bool = False
    ) -> Delivery | None:
        """What the delivery is then; None when something else came first.

        It stays as it is where the store does not take it: whoever claims it finds
        that nobody waits.
        """
        try:
            stored = self.outbox.save(
                change, forget_request=forget_request, patience=BREAKING_OFF
            )
        except PostroomError as error:
            _log.warning(
                "delivery.not_given_up", delivery=change.after.id, reason=error.reason
            )
            return change.before
        if not stored:
            return None
        self.waits.post(News(change.after, answers_now=True))
        return change.after

    def _now(self, wait: Wait, delivery: Delivery) -> Delivery:
        """The delivery as it stands; as last heard of, if the store can't tell."""
        try:
            found = self.outbox.get(delivery.tenant, delivery.id)
        except PostroomError:
            found = None
        heard = delivery if wait.news is None else wait.news.delivery
        return found or heard


def _is_relayed(delivery: Delivery) -> bool:
    """Whether it needs who waits for it; rescheduling may have ended that."""
    return delivery.plan.completion is Completion.RELAYED


def _given_up(recipient: Recipient, detail: str) -> Fate:
    """The last that the relay said about it stays."""
    fate = Fate(
        status=RecipientStatus.TEMP_FAILED,
        reason=recipient.reason or FailureReason.DEADLINE,
        reply=recipient.reply,
        detail=recipient.detail,
    )
    return fate if fate.reply or fate.detail else replace(fate, detail=detail)
