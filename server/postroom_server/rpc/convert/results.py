"""A delivery, as callers see it: what became of it, in brief or in full."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.v1 import delivery_pb2 as wire
from postroom.v1 import delivery_requests_pb2 as stored

from postroom_server.domain.attempt import Attempt
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.deciding import deciding_recipient
from postroom_server.domain.delivery import Delivery, DeliveryStatus, Recipient
from postroom_server.domain.limits import Limits
from postroom_server.domain.reply import Reply
from postroom_server.domain.transitions import kept_attempts
from postroom_server.rpc.convert.attempts import attempt, number, smtp_reply
from postroom_server.rpc.convert.times import (
    Fields,
    timestamp,
    timestamp_fields,
    timestamp_if,
)


def delivery_result(
    delivery: Delivery,
    *,
    replayed: bool = False,
) -> wire.DeliveryResult:
    """What became of *delivery*; *replayed*: an earlier call asked for it."""
    return wire.DeliveryResult(**result_fields(delivery, replayed=replayed))


def result_fields(
    delivery: Delivery,
    *,
    full: bool = True,
    replayed: bool = False,
    with_attempts: bool = True,
) -> Fields:
    """The fields of `delivery_result`, for what holds it.

    Without recipients and attempts unless *full*, or without the attempts alone.
    """
    status = delivery.status
    attempts = _attempts(delivery) if full and with_attempts else ()
    return {
        "delivery": delivery.name,
        "status": status,
        "is_final": status.is_final,
        "is_retryable": delivery.is_retryable,
        "message_id": delivery.message_id,
        "accepted_at": timestamp_fields(delivery.accepted_at),
        "sent_at": timestamp_if(delivery.sent_at),
        "settled_at": timestamp_if(delivery.settled_at),
        "next_attempt_at": timestamp_if(_next_attempt_at(delivery, status)),
        "recipients": list(map(_recipient, delivery.recipients)) if full else (),
        "retry_count": max(0, delivery.attempts_made - 1),
        "attempts": list(map(attempt, attempts)),
        "attempts_omitted": max(0, delivery.attempts_made - len(attempts))
        if full
        else 0,
        "maybe_duplicate": delivery.maybe_duplicate,
        "replayed": replayed,
        "size_bytes": delivery.size_bytes,
        "trace_id": delivery.trace_id,
        **_failure(deciding_recipient(status, delivery.recipients)),
    }


def _next_attempt_at(delivery: Delivery, status: DeliveryStatus) -> Instant | None:
    """Where it waits for a time, rather than for its turn alone."""
    if status is DeliveryStatus.QUEUED:
        return None if delivery.send_at is None else delivery.due_at
    return delivery.due_at if status is DeliveryStatus.RETRY else None


def stored_delivery(
    delivery: Delivery, limits: Limits, *, full: bool
) -> stored.Delivery:
    """*delivery* with what was asked for; *limits* tell how long its bytes are kept."""
    settled_at = delivery.settled_at
    return stored.Delivery(
        name=delivery.name,
        result=result_fields(delivery, full=full),
        request_id=delivery.request_id,
        completion=number(delivery.plan.completion),
        relay=delivery.relay_name,
        envelope_from=delivery.envelope_from or "<>",
        subject="" if delivery.content_purged else delivery.subject,
        send_at=timestamp_if(delivery.send_at),
        expire_at=timestamp(delivery.expire_at),
        purge_at=None
        if settled_at is None
        else timestamp(after(settled_at, limits.content_retention)),
        metadata=dict(delivery.metadata),
        tags=delivery.tags,
        priority=number(delivery.plan.priority),
    )


def cancel_response(delivery: Delivery) -> stored.CancelDeliveryResponse:
    """What came of taking *delivery* back: it is over, or it ends as soon as it can."""
    return stored.CancelDeliveryResponse(
        outcome=stored.CANCEL_OUTCOME_CANCELLED
        if delivery.status.is_final
        else stored.CANCEL_OUTCOME_PENDING,
        result=result_fields(delivery),
    )


def _recipient(recipient: Recipient) -> Fields:
    return {
        "address": recipient.address,
        "status": recipient.status,
        "reason": recipient.reason,
        "reply": smtp_reply(recipient.reply),
        "detail": recipient.detail,
        "is_retryable": recipient.is_retryable,
        "settled_at": timestamp_if(recipient.settled_at),
    }


def _failure(decisive: Recipient | None) -> Fields:
    if decisive is None:
        return {}
    return {
        "reason": decisive.reason,
        "detail": decisive.detail,
        # A recipient that failed may have had a "yes" as its last reply: not an error.
        "smtp_error": smtp_reply(_negative(decisive.reply)),
    }


def _negative(reply: Reply | None) -> Reply | None:
    return None if reply is None or reply.positive else reply


def _attempts(delivery: Delivery) -> Sequence[Attempt]:
    """The attempts that are told, the one under way included."""
    if delivery.leased_at is None:
        return delivery.attempts
    running = Attempt(
        number=delivery.attempts_made,
        relay=delivery.relay_name,
        started_at=delivery.leased_at,
    )
    return kept_attempts((*delivery.attempts, running))
