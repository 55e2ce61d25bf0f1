"""A delivery, as callers see it: what became of it, in brief or in full."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.v1 import delivery_pb2 as wire
from postroom.v1 import delivery_requests_pb2 as stored

from postroom_server.domain.attempt import Attempt
from postroom_server.domain.clock import after
from postroom_server.domain.deciding import deciding_recipient
from postroom_server.domain.delivery import Delivery, DeliveryStatus, Recipient
from postroom_server.domain.limits import Limits
from postroom_server.domain.reply import Reply
from postroom_server.domain.transitions import kept_attempts
from postroom_server.rpc.convert.attempts import attempt, number, smtp_reply
from postroom_server.rpc.convert.times import timestamp, timestamp_if


def delivery_result(
    delivery: Delivery,
    *,
    full: bool = True,
    replayed: bool = False,
    with_attempts: bool = True,
) -> wire.DeliveryResult:
    """What became of *delivery*; without recipients and attempts unless *full*."""
    status = delivery.status
    attempts = _attempts(delivery) if full and with_attempts else ()
    result = wire.DeliveryResult(
        delivery=delivery.name,
        status=number(status),
        is_final=status.is_final,
        is_retryable=delivery.is_retryable,
        message_id=delivery.message_id,
        accepted_at=timestamp(delivery.accepted_at),
        sent_at=timestamp_if(delivery.sent_at),
        settled_at=timestamp_if(delivery.settled_at),
        recipients=map(_recipient, delivery.recipients) if full else (),
        retry_count=max(0, delivery.attempts_made - 1),
        attempts=map(attempt, attempts),
        attempts_omitted=max(0, delivery.attempts_made - len(attempts)) if full else 0,
        maybe_duplicate=delivery.maybe_duplicate,
        replayed=replayed,
        size_bytes=delivery.size_bytes,
        trace_id=delivery.trace_id,
    )
    if _tells_when(delivery) and delivery.due_at is not None:
        result.next_attempt_at.CopyFrom(timestamp(delivery.due_at))
    decisive = deciding_recipient(status, delivery.recipients)
    if decisive is not None:
        _add_failure(result, decisive)
    return result


def _tells_when(delivery: Delivery) -> bool:
    """Whether it waits for a time, rather than for its turn alone."""
    if delivery.status is DeliveryStatus.QUEUED:
        return delivery.send_at is not None
    return delivery.status is DeliveryStatus.RETRY


def stored_delivery(
    delivery: Delivery, limits: Limits, *, full: bool
) -> stored.Delivery:
    """*delivery* with what was asked for; *limits* tell how long its bytes are kept."""
    settled_at = delivery.settled_at
    return stored.Delivery(
        name=delivery.name,
        result=delivery_result(delivery, full=full),
        request_id=delivery.request_id,
        completion=number(delivery.plan.completion),
        relay=f"relays/{delivery.relay}",
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
        result=delivery_result(delivery),
    )


def _recipient(recipient: Recipient) -> wire.RecipientResult:
    return wire.RecipientResult(
        address=recipient.address,
        status=number(recipient.status),
        reason=number(recipient.reason),
        reply=smtp_reply(recipient.reply),
        detail=recipient.detail,
        is_retryable=recipient.is_retryable,
        settled_at=timestamp_if(recipient.settled_at),
    )


def _add_failure(result: wire.DeliveryResult, decisive: Recipient) -> None:
    result.reason = number(decisive.reason)
    result.detail = decisive.detail
    # A recipient that failed may have had a "yes" as its last reply: not an error.
    error = smtp_reply(_negative(decisive.reply))
    if error is not None:
        result.smtp_error.CopyFrom(error)


def _negative(reply: Reply | None) -> Reply | None:
    return None if reply is None or reply.positive else reply


def _attempts(delivery: Delivery) -> Sequence[Attempt]:
    """The attempts that are told, the one under way included."""
    if delivery.leased_at is None:
        return delivery.attempts
    running = Attempt(
        number=delivery.attempts_made,
        relay=f"relays/{delivery.relay}",
        started_at=delivery.leased_at,
    )
    return kept_attempts((*delivery.attempts, running))
