"""Every step that a delivery can take, as pure functions of what it was.

Each returns a `Change`: the delivery after the step with its version raised by one,
and what the outbox records with it in the same commit.  Recipients that have settled
are never touched but by `reopen` and `settle_uncertain`: a recipient whose acceptance
we recorded is never sent to again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from postroom_server.domain.attempt import Attempt, AttemptOutcome, FailureReason
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import NOTHING, Counters
from postroom_server.domain.delivery import (
    Delivery,
    DeliveryStatus,
    Recipient,
    RecipientStatus,
    changed,
    status_of,
)
from postroom_server.domain.events import Event, EventKind
from postroom_server.domain.reply import Reply
from postroom_server.domain.values import value

_Met = list[tuple[Recipient, Recipient]]
"""Whom a fate met, as it was and as it is."""

ATTEMPTS_KEPT = 20
"""Of the ended attempts a delivery carries the first and so many of the last."""


@value(frozen=True, slots=True, kw_only=True)
class Change:
    """A step of a delivery: *before* and *after*, and what is recorded with it."""

    before: Delivery
    after: Delivery
    events: tuple[Event, ...] = ()
    counters: Counters = NOTHING
    attempt: Attempt | None = None


@value(frozen=True, slots=True, kw_only=True)
class Fate:
    """What an attempt or a decision makes of one recipient.

    *in_doubt*: it stays open, and may have the mail already.
    """

    status: RecipientStatus
    reason: FailureReason = FailureReason.UNSPECIFIED
    reply: Reply | None = None
    detail: str = ""
    in_doubt: bool = False


def newly_accepted(delivery: Delivery) -> Change:
    """*delivery* is durably stored."""
    return Change(
        before=delivery,
        after=delivery,
        events=_of_acceptance(delivery),
        counters=_ACCEPTED,
    )


def accepted_and_begun(delivery: Delivery) -> Change:
    """*delivery* is durably stored, with its first attempt under way already."""
    # What makes a delivery has the version that it begins with.
    begun = begin_attempt(delivery, delivery.accepted_at, version=delivery.version)
    return Change(
        before=delivery,
        after=begun.after,
        events=_of_acceptance(delivery) + begun.events,
        counters=_ACCEPTED_AND_BEGUN,
    )


def _of_acceptance(delivery: Delivery) -> tuple[Event, ...]:
    accepted = Event(
        kind=EventKind.ACCEPTED,
        occurred_at=delivery.accepted_at,
        status=delivery.status,
    )
    if delivery.send_at is None:
        return (accepted,)
    return (accepted, _scheduled(delivery, delivery.accepted_at))


def begin_attempt(
    delivery: Delivery, now: Instant, *, version: int | None = None
) -> Change:
    """An attempt is under way from *now* on; *version* where it isn't the next."""
    after = changed(
        delivery,
        version=version or delivery.version + 1,
        due_at=None,
        leased_at=now,
        attempts_made=delivery.attempts_made + 1,
        tries=delivery.tries + 1,
    )
    started = Event(
        kind=EventKind.ATTEMPT_STARTED,
        occurred_at=now,
        status=DeliveryStatus.SENDING,
        attempt=after.attempts_made,
    )
    counters = _BEGUN_AGAIN if delivery.was_tried else _BEGUN
    return Change(before=delivery, after=after, events=(started,), counters=counters)


def finish_attempt(
    delivery: Delivery,
    attempt: Attempt,
    fates: Mapping[str, Fate],
    due_at: Instant | None,
    *,
    crashed: bool = False,
) -> Change:
    """The attempt under way ended as *attempt*; *fates* by the recipients' `wire`.

    Recipients that are open and in no fate stay as they are.  *due_at* is when the
    next attempt may begin; it must be set exactly when a recipient is left open.
    *crashed*: our process died with it.
    """
    now = attempt.ended_at
    if delivery.leased_at is None or now is None:
        raise ValueError("no attempt is under way, or it has not ended")
    lost = attempt.outcome is AttemptOutcome.LOST
    uncertain = attempt.outcome is AttemptOutcome.UNCERTAIN
    return _step(
        delivery,
        fates,
        (now, due_at),
        attempt,
        leased_at=None,
        data_marked=False,
        attempts=kept_attempts((*delivery.attempts, attempt)),
        tries=delivery.tries - lost,
        crashes=delivery.crashes + 1 if crashed else 0,
        uncertain_retries=delivery.uncertain_retries + uncertain,
        maybe_duplicate=delivery.maybe_duplicate
        or _sent_after_uncertain(delivery, attempt),
    )


def settle_open(delivery: Delivery, fate: Fate, now: Instant) -> Change:
    """Every open recipient meets *fate*."""
    return settle(delivery, {r.wire: fate for r in delivery.open_recipients}, now)


def settle(delivery: Delivery, fates: Mapping[str, Fate], now: Instant) -> Change:
    """Recipients meet *fates* (by their `wire`), and nothing more is to come."""
    return _step(delivery, fates, (now, None))


def expire(delivery: Delivery, now: Instant) -> Change:
    """The end of its time; what the relay said last of each recipient stays."""
    fates = {
        r.wire: Fate(
            status=RecipientStatus.EXPIRED,
            reason=r.reason,
            reply=r.reply,
            detail="expired",
        )
        for r in delivery.open_recipients
    }
    return settle(delivery, fates, now)


def mark_data(delivery: Delivery) -> Change:
    """The end of data is about to be written; for those who must know for sure."""
    after = changed(delivery, version=delivery.version + 1, data_marked=True)
    return Change(before=delivery, after=after)


def hurry(delivery: Delivery, now: Instant) -> Change:
    """What waits for its next attempt may begin it *now*."""
    after = changed(delivery, version=delivery.version + 1, due_at=now)
    return Change(before=delivery, after=after)


def move(delivery: Delivery, moved: Delivery, now: Instant) -> Change:
    """RescheduleDelivery: what waits is *moved*, which has the times asked for."""
    after = replace(moved, version=delivery.version + 1)
    return Change(before=delivery, after=after, events=(_scheduled(after, now),))


def reopen(
    delivery: Delivery,
    renewed: Delivery,
    fates: Mapping[str, Fate],
    times: tuple[Instant, Instant | None],
) -> Change:
    """RetryDelivery: recipients meet *fates*, and a new round of tries begins.

    *renewed* is *delivery* with the plan and expiry asked for; *times* are now and
    when the next attempt may begin (None: nothing is to be sent).
    """
    now, due_at = times
    opened = any(f.status.is_open for f in fates.values())
    asked: dict[str, Any] = {"plan": renewed.plan, "expire_at": renewed.expire_at}
    if opened:
        asked.update(tries=0, crashes=0, uncertain_retries=0)
    requested = Event(
        kind=EventKind.RETRY_REQUESTED, occurred_at=now, status=DeliveryStatus.QUEUED
    )
    change = _step(delivery, fates, (now, due_at), **asked)
    was_final = delivery.status.is_final
    return replace(
        change,
        events=(replace(requested, status=change.after.status), *change.events),
        counters=change.counters + Counters(reopened=int(was_final)),
    )


def kept_attempts(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """The first of *attempts*, and the last `ATTEMPTS_KEPT`."""
    if len(attempts) <= ATTEMPTS_KEPT + 1:
        return attempts
    return (attempts[0], *attempts[-ATTEMPTS_KEPT:])


def _scheduled(delivery: Delivery, now: Instant) -> Event:
    return Event(
        kind=EventKind.SCHEDULED,
        occurred_at=now,
        status=delivery.status,
        next_attempt_at=delivery.due_at,
    )


def _step(
    before: Delivery,
    fates: Mapping[str, Fate],
    times: tuple[Instant, Instant | None],
    attempt: Attempt | None = None,
    **fields: Any,  # noqa: ANN401  of a delivery
) -> Change:
    """Recipients meet *fates*, and other *fields* change; it is under way no more.

    *attempt* is the one that ended so.  One delivery is made of another once: that is
    what a step costs most.
    """
    now, due_at = times
    if before.leased_at is not None and "leased_at" not in fields:
        raise ValueError("an attempt is under way")
    recipients = tuple([_meet(r, fates.get(r.wire), now) for r in before.recipients])
    statuses = [r.status for r in recipients]
    status = status_of(statuses)
    is_final = status.is_final
    if (due_at is None) != is_final:
        raise ValueError(f"{status.name} with due_at {due_at}")
    sent = before.sent_at is None and RecipientStatus.DELIVERED in statuses
    after = changed(
        before,
        version=before.version + 1,
        recipients=recipients,
        due_at=due_at,
        sent_at=now if sent else before.sent_at,
        settled_at=now if is_final else None,
        **fields,
    )
    met = _met(before, after)
    return Change(
        before=before,
        after=after,
        events=_events(after, met, (status, now)),
        counters=_counted(before, met, status, attempt),
        attempt=attempt,
    )


def _meet(recipient: Recipient, fate: Fate | None, now: Instant) -> Recipient:
    if fate is None:
        return recipient
    status = fate.status
    if recipient.in_doubt and status in _NOT_SENT_AGAIN:
        # It was not sent again, so whether it has the mail is still not known.
        status = RecipientStatus.UNCERTAIN
    deferred = status is RecipientStatus.DEFERRED
    return Recipient(
        address=recipient.address,
        wire=recipient.wire,
        status=status,
        reason=fate.reason,
        reply=fate.reply,
        detail=fate.detail,
        settled_at=None if status.is_open else now,
        in_doubt=deferred and (fate.in_doubt or recipient.in_doubt),
    )


def _met(before: Delivery, after: Delivery) -> _Met:
    pairs = zip(before.recipients, after.recipients, strict=True)
    return [(old, new) for old, new in pairs if new is not old]


def _events(
    after: Delivery, met: _Met, became: tuple[DeliveryStatus, Instant]
) -> tuple[Event, ...]:
    status, now = became
    events = [
        Event(
            kind=_KINDS[new.status],
            occurred_at=now,
            status=status,
            recipient=new.address,
            attempt=after.attempts_made,
            reason=new.reason,
            reply=new.reply,
            detail=new.detail,
            next_attempt_at=after.due_at if new.status.is_open else None,
        )
        for _, new in met
        if new.status in _KINDS
    ]
    if status.is_final:
        events.append(Event(kind=EventKind.SETTLED, occurred_at=now, status=status))
    return tuple(events)


def _counted(
    before: Delivery, met: _Met, status: DeliveryStatus, attempt: Attempt | None
) -> Counters:
    counted = {} if attempt is None else _of_attempt(before, attempt)
    for old, new in met:
        name = _COUNTED_OF_RECIPIENTS.get(new.status)
        if name and old.status is not new.status:
            counted[name] = counted.get(name, 0) + 1
    if status in _ENDED:
        counted[_ENDED[status]] = 1
    return Counters(**counted) if counted else NOTHING


def _of_attempt(delivery: Delivery, attempt: Attempt) -> dict[str, int]:
    if attempt.outcome is AttemptOutcome.TEMP_FAILED:
        return {"temporary_failures": 1}
    if attempt.outcome is AttemptOutcome.ACCEPTED:
        return {"transactions_accepted": 1, "bytes_sent": delivery.size_bytes}
    return {}


def _sent_after_uncertain(delivery: Delivery, attempt: Attempt) -> bool:
    """Whether a recipient may now have it twice: it was uncertain, and went again."""
    return attempt.outcome in _MAY_HAVE_ARRIVED and any(
        a.outcome is AttemptOutcome.UNCERTAIN for a in delivery.attempts
    )


_ACCEPTED = Counters(accepted=1)
_BEGUN = Counters(attempts=1)
_BEGUN_AGAIN = Counters(attempts=1, retries=1)
_ACCEPTED_AND_BEGUN = _ACCEPTED + _BEGUN

_MAY_HAVE_ARRIVED = (AttemptOutcome.ACCEPTED, AttemptOutcome.UNCERTAIN)
_NOT_SENT_AGAIN = (
    RecipientStatus.TEMP_FAILED,
    RecipientStatus.EXPIRED,
    RecipientStatus.CANCELLED,
)

_KINDS = {
    RecipientStatus.DEFERRED: EventKind.DEFERRED,
    RecipientStatus.DELIVERED: EventKind.DELIVERED,
    RecipientStatus.REFUSED: EventKind.REFUSED,
    RecipientStatus.FAILED: EventKind.FAILED,
    RecipientStatus.WITHHELD: EventKind.FAILED,
    RecipientStatus.TEMP_FAILED: EventKind.TEMP_FAILED,
    RecipientStatus.UNCERTAIN: EventKind.UNCERTAIN,
    RecipientStatus.CANCELLED: EventKind.CANCELLED,
    RecipientStatus.EXPIRED: EventKind.EXPIRED,
}

_COUNTED_OF_RECIPIENTS = {
    RecipientStatus.DELIVERED: "recipients_delivered",
    RecipientStatus.REFUSED: "recipients_refused",
}

_ENDED = {
    DeliveryStatus.SUCCESS: "succeeded",
    DeliveryStatus.PARTIAL: "partial",
    DeliveryStatus.REJECTED: "rejected",
    DeliveryStatus.FAILED: "failed",
    DeliveryStatus.TEMP_FAILED: "temp_failed",
    DeliveryStatus.UNCERTAIN: "uncertain",
    DeliveryStatus.EXPIRED: "expired",
    DeliveryStatus.CANCELLED: "cancelled",
}
