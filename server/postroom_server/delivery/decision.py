"""What follows from an attempt: each recipient's fate, and when to go on.

Pure.  The delivery's plan, the time and whether a caller still waits go in; fates and
the next due time come out.  The rules are those of `Completion`, `OnUncertain` and
`RetryPolicy` in the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.schedule import (
    UNCERTAIN_DELAY,
    UNCERTAIN_DELAY_QUICK,
    Chance,
    allows_another,
    long_delay,
    next_day_delay,
    quick_delay,
)
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.submission import Completion, OnUncertain
from postroom_server.domain.transitions import Fate
from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class Situation:
    """What a decision depends on beside the delivery.

    *patience* is how many seconds the callers still wait, None when nobody does;
    *cancelled* says that the delivery was taken back while it was under way.
    """

    now: Instant
    patience: float | None
    chance: Chance
    cancelled: bool = False


@value(frozen=True, slots=True)
class Decision:
    """*fates* by the recipients' `wire`; *due_at* when something stays open.

    *answers_now* says that whoever waits need not wait for the next attempt.
    """

    fates: Mapping[str, Fate]
    due_at: Instant | None
    answers_now: bool

    def bare(self) -> Decision:
        """What counts of it, without any text that came from outside."""
        fates = {w: replace(f, reply=None, detail="") for w, f in self.fates.items()}
        return replace(self, fates=fates)


@value(frozen=True, slots=True)
class _Next:
    """What becomes of recipients that are not through: stop as, or go on after."""

    status: RecipientStatus
    delay: float | None = None
    quick: bool = False
    in_doubt: bool = False


def decide(
    delivery: Delivery, findings: Mapping[str, Finding], situation: Situation
) -> Decision:
    """Decide on *findings*, by the `wire` of each recipient that was tried."""
    nexts: dict[Found, _Next] = {}
    fates: dict[str, Fate] = {}
    for wire, finding in findings.items():
        following = nexts.get(finding.found)
        if following is None:
            following = _next(finding.found, delivery, situation)
            nexts[finding.found] = following
        fates[wire] = Fate(
            status=following.status,
            reason=finding.reason,
            reply=finding.reply,
            detail=finding.detail,
            in_doubt=following.in_doubt,
        )
    going_on = [n for n in nexts.values() if n.delay is not None]
    if not going_on:
        return Decision(fates, None, answers_now=True)
    due_at = after(situation.now, max(n.delay or 0.0 for n in going_on))
    return Decision(fates, due_at, answers_now=not all(n.quick for n in going_on))


def _next(found: Found, delivery: Delivery, situation: Situation) -> _Next:
    settled = _SETTLED.get(found)
    if settled is not None:
        return _Next(settled)
    if found is Found.UNCERTAIN:
        return _after_uncertain(delivery, situation)
    if situation.cancelled:
        return _Next(RecipientStatus.CANCELLED)
    if found is Found.RELAY_AT_FAULT:
        return _after_relay_fault(delivery, situation)
    if found is Found.LEFT_ALONE:
        return _after_leaving_alone(delivery, situation)
    if found is Found.OVER_QUOTA:
        return _on_another_day(delivery, situation)
    return _after_temporary(delivery, situation)


def _after_temporary(delivery: Delivery, situation: Situation) -> _Next:
    plan = delivery.plan
    if plan.completion is not Completion.ACCEPTED:
        delay = quick_delay(plan.retry, delivery.tries)
        if delay is not None and _fits(delay, situation):
            return _Next(RecipientStatus.DEFERRED, delay, quick=True)
    if plan.completion is Completion.RELAYED:
        return _Next(RecipientStatus.TEMP_FAILED)
    return _on_the_long_schedule(delivery, situation)


def _after_relay_fault(delivery: Delivery, situation: Situation) -> _Next:
    if delivery.plan.completion is Completion.RELAYED:
        return _Next(RecipientStatus.FAILED)
    return _on_the_long_schedule(delivery, situation)


def _after_leaving_alone(delivery: Delivery, situation: Situation) -> _Next:
    # A quick retry would find the same: whoever waits hears it at once.
    if delivery.plan.completion is Completion.RELAYED:
        return _Next(RecipientStatus.TEMP_FAILED)
    return _on_the_long_schedule(delivery, situation)


def _on_another_day(delivery: Delivery, situation: Situation) -> _Next:
    if delivery.plan.completion is Completion.RELAYED:
        return _Next(RecipientStatus.TEMP_FAILED)
    delay = next_day_delay(situation.now, situation.chance)
    return _Next(RecipientStatus.DEFERRED, delay)


def _on_the_long_schedule(delivery: Delivery, situation: Situation) -> _Next:
    delay = long_delay(delivery.plan.retry, delivery.tries, situation.chance)
    if delay is None:
        return _Next(RecipientStatus.TEMP_FAILED)
    return _Next(RecipientStatus.DEFERRED, delay)


def _after_uncertain(delivery: Delivery, situation: Situation) -> _Next:
    quick = delivery.plan.completion is Completion.RELAYED
    delay = UNCERTAIN_DELAY_QUICK if quick else UNCERTAIN_DELAY
    again = (
        not situation.cancelled
        and sends_again(delivery, after(situation.now, delay))
        and (not quick or _fits(delay, situation))
    )
    if not again:
        return _Next(RecipientStatus.UNCERTAIN)
    return _Next(RecipientStatus.DEFERRED, delay, quick=quick, in_doubt=True)


def sends_again(delivery: Delivery, due_at: Instant) -> bool:
    """Whether mail that may have arrived is to be sent once more, at *due_at*."""
    plan = delivery.plan
    return (
        plan.on_uncertain is not OnUncertain.HOLD
        and delivery.uncertain_retries == 0
        and allows_another(plan.retry, delivery.tries)
        and due_at < delivery.expire_at
    )


def _fits(delay: float, situation: Situation) -> bool:
    return situation.patience is not None and delay < situation.patience


_SETTLED = {
    Found.DELIVERED: RecipientStatus.DELIVERED,
    Found.REFUSED: RecipientStatus.REFUSED,
    Found.FAILED: RecipientStatus.FAILED,
    Found.WITHHELD: RecipientStatus.WITHHELD,
}
