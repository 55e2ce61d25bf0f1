"""A delivery: one accepted mail, its recipients, and what became of them.

The delivery's status is a function of its recipients' alone (the table above
`postroom.v1.DeliveryStatus`); nothing else decides it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from postroom_server.domain.attempt import Attempt, FailureReason
from postroom_server.domain.clock import Instant
from postroom_server.domain.dsn import Dsn
from postroom_server.domain.labels import Pairs
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.numbered import Numbered
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import (
    Completion,
    OnUncertain,
    Priority,
    RetryPolicy,
)
from postroom_server.domain.values import value


class DeliveryStatus(Numbered):
    """What became of a delivery."""

    UNSPECIFIED = 0
    QUEUED = 1
    SENDING = 2
    RETRY = 3
    SUCCESS = 4
    PARTIAL = 5
    REJECTED = 6
    FAILED = 7
    TEMP_FAILED = 8
    UNCERTAIN = 9
    CANCELLED = 10
    EXPIRED = 11
    INVALID = 12

    @property
    def is_final(self) -> bool:
        """Whether it changes only by RetryDelivery."""
        return self > _RETRY


# Asked for a dozen times a mail; a member by its class costs as much as a call.
_RETRY = DeliveryStatus.RETRY
_SENDING = DeliveryStatus.SENDING


class RecipientStatus(Numbered):
    """What became of one recipient."""

    UNSPECIFIED = 0
    PENDING = 1
    DEFERRED = 2
    DELIVERED = 3
    REFUSED = 4
    FAILED = 5
    TEMP_FAILED = 6
    UNCERTAIN = 7
    WITHHELD = 9
    CANCELLED = 10
    EXPIRED = 11

    @property
    def is_open(self) -> bool:
        """Whether we still mean to send to it by ourselves."""
        return self is _PENDING or self is _DEFERRED


_PENDING = RecipientStatus.PENDING
_DEFERRED = RecipientStatus.DEFERRED


@value(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One envelope recipient and its state.

    *address* is what the caller wrote, *wire* what RCPT TO has; *detail* is at most
    512 octets.  *in_doubt*: it may have the mail from an attempt that ended uncertain,
    and is to be sent it again.
    """

    address: str
    wire: str
    status: RecipientStatus = RecipientStatus.PENDING
    reason: FailureReason = FailureReason.UNSPECIFIED
    reply: Reply | None = None
    detail: str = ""
    settled_at: Instant | None = None
    in_doubt: bool = False

    @property
    def is_retryable(self) -> bool:
        """Whether sending to it again may help and is the caller's to do."""
        return self.status is RecipientStatus.TEMP_FAILED


@value(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for, fixed when the mail was accepted."""

    completion: Completion
    on_uncertain: OnUncertain
    retry: RetryPolicy
    all_recipients_or_none: bool = False
    dsn: Dsn | None = None
    priority: Priority = Priority.NORMAL

    @property
    def holds_when_uncertain(self) -> bool:
        return self.on_uncertain is OnUncertain.HOLD


@value(frozen=True, slots=True)
class Delivery:
    """A delivery as it stands, without its content.

    *relay* is the bare id ("main"), *envelope_from* is empty for the null reverse
    path.  *version* grows by one with each stored change and fences every writer: a
    change made on an older version is refused.  *leased_at* is set while an attempt is
    under way.  *attempts* holds the ended ones, the first and the last 20;
    *attempts_made* counts all, the one under way included.  *tries* counts those that
    use up the retry policy: RetryDelivery begins anew, and an attempt lost with our
    process costs nothing.  *crashes* counts processes in a row that died with it;
    *data_marked* says that the attempt under way may have written its end of data.
    *due_at* is when the next attempt may begin, and None where none is to come;
    *send_at* is before when the first may not, where the caller asked for that.
    """

    id: str
    tenant: str
    relay: str
    request_id: str
    plan: Plan
    envelope_from: str
    subject: str
    message_id: str
    accepted_at: Instant
    expire_at: Instant
    recipients: tuple[Recipient, ...]
    metadata: Pairs = ()
    tags: tuple[str, ...] = ()
    size_bytes: int = 0
    trace_id: str = ""
    version: int = 1
    send_at: Instant | None = None
    due_at: Instant | None = None
    leased_at: Instant | None = None
    attempts: tuple[Attempt, ...] = ()
    attempts_made: int = 0
    tries: int = 0
    crashes: int = 0
    data_marked: bool = False
    uncertain_retries: int = 0
    maybe_duplicate: bool = False
    sent_at: Instant | None = None
    settled_at: Instant | None = None
    content_purged: bool = False

    @property
    def name(self) -> str:
        return f"deliveries/{self.id}"

    @property
    def relay_name(self) -> str:
        """The name of its relay, for callers; *relay* is its bare id."""
        return f"relays/{self.relay}"

    @property
    def status(self) -> DeliveryStatus:
        if self.leased_at is not None:
            return _SENDING
        recipients = self.recipients
        if len(recipients) == 1:
            return _WHERE_ALL_ARE[recipients[0].status]
        return status_of([r.status for r in recipients])

    @property
    def is_retryable(self) -> bool:
        """Whether going on may help and is the caller's to do."""
        return self.status in {
            DeliveryStatus.TEMP_FAILED,
            DeliveryStatus.PARTIAL,
        } and any(r.is_retryable for r in self.recipients)

    @property
    def was_tried(self) -> bool:
        """Whether its next attempt is not its first: it waits among the retries."""
        return self.attempts_made > 0

    @property
    def lane(self) -> LaneKey:
        """Where it waits, when it does."""
        return LaneKey(
            tenant=self.tenant, priority=self.plan.priority, retries=self.was_tried
        )

    @property
    def is_untouched(self) -> bool:
        """Whether it is as it was accepted: nothing was begun, and nothing ended."""
        return self.version == 1 and self.leased_at is None

    @property
    def open_recipients(self) -> tuple[Recipient, ...]:
        return tuple([r for r in self.recipients if r.status.is_open])


def changed(delivery: Delivery, **fields: Any) -> Delivery:  # noqa: ANN401  its own
    """*delivery* with other *fields*: `replace`, for what each mail needs twice.

    All the values are got in one call, and given by their places: by their names the
    thirty of them would be sought one by one.
    """
    values = list(_values(delivery))
    for name, changed_to in fields.items():
        values[_PLACES[name]] = changed_to
    return Delivery(*values)


_PLACES = {field.name: n for n, field in enumerate(dataclasses.fields(Delivery))}
_values: Callable[[Delivery], tuple[Any, ...]] = attrgetter(*_PLACES)


def status_of(recipients: Iterable[RecipientStatus]) -> DeliveryStatus:
    """The status that follows from the recipients', no attempt being under way."""
    present = set(recipients)
    if len(present) == 1:
        return _WHERE_ALL_ARE[present.pop()]
    return _status_where(present)


def _status_where(present: set[RecipientStatus]) -> DeliveryStatus:
    for status, decided in _BEFORE_SUCCESS:
        if status in present:
            return decided
    if present == {RecipientStatus.DELIVERED}:
        return DeliveryStatus.SUCCESS
    for status, decided in _AFTER_SUCCESS:
        if status in present:
            return decided
    return DeliveryStatus.REJECTED


# The order is the contract's: the first line that fits is the status.
_BEFORE_SUCCESS = (
    (RecipientStatus.DEFERRED, DeliveryStatus.RETRY),
    (RecipientStatus.PENDING, DeliveryStatus.QUEUED),
    (RecipientStatus.UNCERTAIN, DeliveryStatus.UNCERTAIN),
)
_AFTER_SUCCESS = (
    (RecipientStatus.DELIVERED, DeliveryStatus.PARTIAL),
    (RecipientStatus.TEMP_FAILED, DeliveryStatus.TEMP_FAILED),
    (RecipientStatus.EXPIRED, DeliveryStatus.EXPIRED),
    (RecipientStatus.CANCELLED, DeliveryStatus.CANCELLED),
    (RecipientStatus.FAILED, DeliveryStatus.FAILED),
)
_WHERE_ALL_ARE = {status: _status_where({status}) for status in RecipientStatus}
