"""Replies, steps and attempts, as the contract has them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

from postroom.v1 import attempt_pb2 as wire

from postroom_server.domain.attempt import Attempt, PhaseTiming
from postroom_server.domain.reply import Reply
from postroom_server.rpc.convert.times import duration, timestamp, timestamp_if

Number: TypeAlias = Any
"""A value of an enumeration of the contract; each of them is a type of its own."""


def number(value: IntEnum) -> Number:
    """What a field holds for *value*: the domain has the contract's numbers."""
    return value


def smtp_reply(reply: Reply | None) -> wire.SmtpReply | None:
    """What a relay said, or None, which leaves the field unset."""
    if reply is None:
        return None
    return wire.SmtpReply(
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        text=reply.text,
        phase=number(reply.phase),
    )


def attempt(made: Attempt) -> wire.Attempt:
    """One attempt, ended or under way."""
    return wire.Attempt(
        number=made.number,
        relay=made.relay,
        started_at=timestamp(made.started_at),
        ended_at=timestamp_if(made.ended_at),
        outcome=number(made.outcome),
        phase=number(made.phase),
        reply=smtp_reply(made.reply),
        reason=number(made.reason),
        detail=made.detail,
        remote=made.remote,
        session_reused=made.session_reused,
        tls_version=made.tls_version,
        timings=map(_timing, made.timings),
        recipients_delivered=made.recipients_delivered,
        recipients_refused=made.recipients_refused,
        recipients_deferred=made.recipients_deferred,
    )


def _timing(timing: PhaseTiming) -> wire.PhaseTiming:
    return wire.PhaseTiming(
        phase=number(timing.phase), duration=duration(timing.seconds)
    )
