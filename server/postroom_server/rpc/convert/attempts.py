"""Replies, steps and attempts, as the contract has them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

from postroom_server.domain.attempt import Attempt
from postroom_server.domain.reply import Reply
from postroom_server.rpc.convert.times import (
    Fields,
    duration_fields,
    timestamp_fields,
    timestamp_if,
)

Number: TypeAlias = Any
"""A value of an enumeration of the contract; each of them is a type of its own."""


def number(value: IntEnum) -> Number:
    """What a field holds for *value*: the domain has the contract's numbers."""
    return value


def smtp_reply(reply: Reply | None) -> Fields:
    """The `SmtpReply` that a relay gave, or None, which leaves the field unset."""
    if reply is None:
        return None
    return {
        "code": reply.code,
        "enhanced_code": reply.enhanced_code,
        "text": reply.text,
        "phase": reply.phase,
    }


def attempt(made: Attempt) -> Fields:
    """One `Attempt`, ended or under way."""
    return {
        "number": made.number,
        "relay": made.relay,
        "started_at": timestamp_fields(made.started_at),
        "ended_at": timestamp_if(made.ended_at),
        "outcome": made.outcome,
        "phase": made.phase,
        "reply": smtp_reply(made.reply),
        "reason": made.reason,
        "detail": made.detail,
        "remote": made.remote,
        "session_reused": made.session_reused,
        "tls_version": made.tls_version,
        "timings": [
            {"phase": timing.phase, "duration": duration_fields(timing.seconds)}
            for timing in made.timings
        ],
        "recipients_delivered": made.recipients_delivered,
        "recipients_refused": made.recipients_refused,
        "recipients_deferred": made.recipients_deferred,
    }
