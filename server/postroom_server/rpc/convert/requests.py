"""The requests about one mail, to what the engine takes.

Raises `InvalidArgument` where a request has no form that the domain could look at.
Enumerations hold known values only: strict decoding refused the others.
"""

from __future__ import annotations

from typing import TypeAlias

from postroom.v1 import delivery_requests_pb2 as looking
from postroom.v1 import send_pb2 as sending

from postroom_server.delivery.options import request_id_problems
from postroom_server.delivery.reopening import RetryRequest, Settlement
from postroom_server.delivery.rescheduling import RescheduleRequest
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import MessageDraft, RawDraft
from postroom_server.domain.dsn import Dsn, DsnNotify, DsnReturn
from postroom_server.domain.errors import InvalidArgument, Problem
from postroom_server.domain.labels import Pairs
from postroom_server.domain.principal import Principal
from postroom_server.domain.submission import (
    Completion,
    OnUncertain,
    Priority,
    RetryDraft,
    Submission,
)
from postroom_server.rpc.convert.messages import message_draft, raw_draft
from postroom_server.rpc.convert.names import delivery_id
from postroom_server.rpc.convert.times import instant_of, seconds_of

_NO_POLICY = RetryDraft()
# By number: to ask an enumeration for its member costs two calls.
_COMPLETIONS = {int(one): one for one in Completion}
_ON_UNCERTAIN = {int(one): one for one in OnUncertain}
_PRIORITIES = {int(one): one for one in Priority}


def submission(
    request: sending.SendMessageRequest, principal: Principal, trace_id: str
) -> Submission:
    """What *request* asks to have sent; `validate_only` is the caller's to look at."""
    return Submission(
        message=_draft(request),
        relay=request.relay,
        request_id=request.request_id,
        completion=_COMPLETIONS[request.completion],
        wait_timeout=_wait_timeout(request),
        retry=_retry(request.retry) if request.HasField("retry") else _NO_POLICY,
        on_uncertain=_ON_UNCERTAIN[request.on_uncertain],
        send_at=_send_at(request),
        expire_at=_expire_at(request),
        all_recipients_or_none=request.all_recipients_or_none,
        dsn=_dsn(request.dsn) if request.HasField("dsn") else None,
        priority=_PRIORITIES[request.priority],
        metadata=_metadata(request),
        tags=tuple(request.tags),
        tenant=principal.tenant,
        senders=principal.senders,
        trace_id=trace_id,
    )


def _metadata(request: sending.SendMessageRequest) -> Pairs:
    # To go through an empty map runs Python; to see that it is empty does not.
    return tuple(sorted(request.metadata.items())) if request.metadata else ()


def _draft(request: sending.SendMessageRequest) -> MessageDraft | RawDraft:
    match request.WhichOneof("content"):
        case "message":
            return message_draft(request.message)
        case "raw_message":
            return raw_draft(request.raw_message)
        case _:
            raise InvalidArgument([_required("message")])


def retry_request(
    request: looking.RetryDeliveryRequest, principal: Principal
) -> RetryRequest:
    """Which delivery to go on with, and how."""
    return RetryRequest(
        tenant=principal.tenant,
        senders=principal.senders,
        delivery_id=delivery_id(request.delivery, "delivery"),
        settlement=Settlement(request.settlement),
        completion=Completion(request.completion),
        wait_timeout=_wait_timeout(request),
        expire_at=_expire_at(request),
        request_id=request.request_id,
        recipients=tuple(request.recipients),
    )


def reschedule_request(
    request: looking.RescheduleDeliveryRequest, tenant: str
) -> RescheduleRequest:
    """Which delivery to move, and when to."""
    return RescheduleRequest(
        tenant=tenant,
        delivery_id=delivery_id(request.delivery, "delivery"),
        send_at=_send_at(request),
        expire_at=_expire_at(request),
        request_id=request.request_id,
    )


def sought_request_id(request: looking.GetDeliveryRequest) -> str:
    """The request id that a delivery is sought by; empty: sought by its name."""
    match request.WhichOneof("selector"):
        case "request_id":
            sought = request.request_id
            problems = [*request_id_problems(sought)]
            if problems or not sought:
                raise InvalidArgument(problems or [_required("request_id")])
            return sought
        case "delivery":
            return ""
        case _:
            raise InvalidArgument([_required("delivery")])


def _required(path: str) -> Problem:
    return Problem(path, "is required")


def _dsn(asked: sending.Dsn) -> Dsn:
    return Dsn(
        notify=tuple(map(DsnNotify, asked.notify)),
        return_content=DsnReturn(asked.return_content),
        envelope_id=asked.envelope_id,
        required=asked.required,
    )


def _retry(policy: sending.RetryPolicy) -> RetryDraft:
    return RetryDraft(
        disabled=policy.disabled,
        quick_delays=tuple(
            seconds_of(delay, f"retry.quick_delays[{place}]")
            for place, delay in enumerate(policy.quick_delays)
        ),
        min_delay=seconds_of(policy.min_delay, "retry.min_delay")
        if policy.HasField("min_delay")
        else None,
        max_delay=seconds_of(policy.max_delay, "retry.max_delay")
        if policy.HasField("max_delay")
        else None,
        max_attempts=policy.max_attempts,
    )


_Waiting: TypeAlias = sending.SendMessageRequest | looking.RetryDeliveryRequest


def _wait_timeout(request: _Waiting) -> float | None:
    if not request.HasField("wait_timeout"):
        return None
    return seconds_of(request.wait_timeout, "wait_timeout")


_Scheduled: TypeAlias = sending.SendMessageRequest | looking.RescheduleDeliveryRequest


def _send_at(request: _Scheduled) -> Instant | None:
    if not request.HasField("send_at"):
        return None
    return instant_of(request.send_at, "send_at")


def _expire_at(request: _Waiting | looking.RescheduleDeliveryRequest) -> Instant | None:
    if not request.HasField("expire_at"):
        return None
    return instant_of(request.expire_at, "expire_at")
