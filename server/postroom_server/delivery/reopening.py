"""RetryDelivery's rules: who is sent to again, and when it can't be.  Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import IntEnum

from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.delivery import Delivery, DeliveryStatus, RecipientStatus
from postroom_server.domain.errors import (
    ContentPurged,
    InvalidArgument,
    NotRetryable,
    Problem,
)
from postroom_server.domain.limits import Limits
from postroom_server.domain.principal import ANY_SENDER
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Change, Fate, hurry, reopen


class Settlement(IntEnum):
    """What became of the UNCERTAIN recipients, as the caller found out."""

    UNSPECIFIED = 0
    SEND_AGAIN = 1
    DELIVERED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequest:
    """The fields of `postroom.v1.RetryDeliveryRequest`; *delivery_id* is bare.

    *senders* are the caller's, as `delivery.senders` reads them.
    """

    tenant: str
    delivery_id: str
    settlement: Settlement = Settlement.UNSPECIFIED
    completion: Completion = Completion.UNSPECIFIED
    wait_timeout: float | None = None
    expire_at: Instant | None = None
    request_id: str = ""
    recipients: tuple[str, ...] = ()
    senders: tuple[str, ...] = (ANY_SENDER,)


def retried(
    delivery: Delivery, request: RetryRequest, now: Instant, limits: Limits
) -> Change:
    """What RetryDelivery makes of *delivery*.

    Raises `NotRetryable`, `ContentPurged` or `InvalidArgument`.
    """
    chosen = _chosen(delivery, request.recipients)
    if delivery.status is DeliveryStatus.RETRY:
        return _hurried(delivery, request, now)
    if not delivery.status.is_final:
        raise NotRetryable("it is still being delivered", delivery.name)
    fates = _fates(delivery, request.settlement, chosen)
    if not fates:
        raise NotRetryable(_nothing_to_do(delivery, request), delivery.name)
    opened = any(fate.status.is_open for fate in fates.values())
    if opened and delivery.content_purged:
        raise ContentPurged("the bytes of the mail were purged", delivery.name)
    plan = replace(delivery.plan, completion=request.completion or Completion.RELAYED)
    expire_at = request.expire_at or after(now, limits.default_expiry)
    renewed = replace(delivery, plan=plan, expire_at=expire_at) if opened else delivery
    return reopen(delivery, renewed, fates, (now, now if opened else None))


def resumed(delivery: Delivery, now: Instant, limits: Limits) -> Change:
    """What the same request does to a delivery that is retryable: it goes on."""
    fates = {
        r.wire: Fate(status=RecipientStatus.PENDING)
        for r in delivery.recipients
        if r.is_retryable
    }
    expire_at = delivery.expire_at
    if expire_at <= now:
        expire_at = after(now, limits.default_expiry)
    renewed = replace(delivery, expire_at=expire_at)
    return reopen(delivery, renewed, fates, (now, now))


def _hurried(delivery: Delivery, request: RetryRequest, now: Instant) -> Change:
    if request.settlement:
        raise NotRetryable("no recipient is UNCERTAIN", delivery.name)
    # What was promised when it was accepted still holds: it stays queued if this
    # attempt fails too, whatever the caller of the retry waits for.
    return hurry(delivery, now)


def _fates(
    delivery: Delivery, settlement: Settlement, chosen: Collection[str]
) -> dict[str, Fate]:
    fates = {
        r.wire: Fate(status=RecipientStatus.PENDING)
        for r in delivery.recipients
        if r.wire in chosen and r.status in _GO_AGAIN
    }
    uncertain = [
        r.wire
        for r in delivery.recipients
        if r.wire in chosen and r.status is RecipientStatus.UNCERTAIN
    ]
    if settlement and not uncertain:
        raise NotRetryable("no recipient is UNCERTAIN", delivery.name)
    if settlement:
        fates |= dict.fromkeys(uncertain, _SETTLED[settlement])
    return fates


def _chosen(delivery: Delivery, addresses: tuple[str, ...]) -> frozenset[str]:
    """The recipients meant, by `wire`."""
    if not addresses:
        return frozenset(r.wire for r in delivery.recipients)
    by_address = {r.address: r.wire for r in delivery.recipients}
    problems = [
        Problem(f"recipients[{place}]", "is no recipient of this delivery")
        for place, address in enumerate(addresses)
        if address not in by_address
    ]
    if problems:
        raise InvalidArgument(problems)
    return frozenset(by_address[address] for address in addresses)


def _nothing_to_do(delivery: Delivery, request: RetryRequest) -> str:
    if delivery.status is DeliveryStatus.UNCERTAIN and not request.settlement:
        return "its recipients are UNCERTAIN: say what became of them (settlement)"
    return f"nothing is left to do for a delivery that is {delivery.status.name}"


_GO_AGAIN = {
    RecipientStatus.TEMP_FAILED,
    RecipientStatus.EXPIRED,
    RecipientStatus.FAILED,
    RecipientStatus.REFUSED,
    RecipientStatus.WITHHELD,
}

_SETTLED = {
    Settlement.SEND_AGAIN: Fate(status=RecipientStatus.PENDING),
    Settlement.DELIVERED: Fate(
        status=RecipientStatus.DELIVERED, detail="settled by the caller"
    ),
    Settlement.FAILED: Fate(
        status=RecipientStatus.FAILED,
        reason=FailureReason.UNKNOWN,
        detail="settled by the caller",
    ),
}
