"""One attempt to hand a mail to a relay: its steps, its end, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postroom_server.domain.clock import Instant
from postroom_server.domain.numbered import Numbered
from postroom_server.domain.values import value

if TYPE_CHECKING:
    from postroom_server.domain.reply import Reply

DETAIL_LIMIT = 512
"""Octets of our own words about a failure (`detail`), everywhere."""


class FailureReason(Numbered):
    """The kind of a failure; from the enhanced code, then the code, then the phase."""

    UNSPECIFIED = 0
    UNKNOWN = 1
    ADDRESS_UNKNOWN = 2
    MAILBOX_UNAVAILABLE = 3
    SENDER_REFUSED = 4
    POLICY = 5
    CONTENT = 6
    SIZE = 7
    RATE = 8
    AUTHENTICATION = 9
    TLS = 10
    NOT_SUPPORTED = 11
    PROTOCOL = 12
    NETWORK = 13
    TIMEOUT = 14
    DEADLINE = 15
    RELAY_UNAVAILABLE = 16
    INTERNAL = 18


class Phase(Numbered):
    """A step on the way to the relay, in the order in which they come."""

    UNSPECIFIED = 0
    QUEUE = 1
    COMPOSE = 2
    POOL = 3
    DNS = 4
    CONNECT = 5
    TLS = 6
    GREETING = 7
    EHLO = 8
    AUTH = 9
    MAIL = 10
    RCPT = 11
    DATA = 12
    BODY = 13
    END_OF_DATA = 14
    VRFY = 15
    RSET = 16
    QUIT = 17


class AttemptOutcome(Numbered):
    """How an attempt ended."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    TEMP_FAILED = 2
    FAILED = 3
    UNCERTAIN = 4
    ABANDONED = 5
    LOST = 6
    RUNNING = 7


@value(frozen=True, slots=True)
class PhaseTiming:
    """How long one step took, in seconds."""

    phase: Phase
    seconds: float


@value(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt met; the fields of `postroom.v1.Attempt`."""

    number: int
    relay: str
    started_at: Instant
    ended_at: Instant | None = None
    outcome: AttemptOutcome = AttemptOutcome.RUNNING
    phase: Phase = Phase.UNSPECIFIED
    reply: Reply | None = None
    reason: FailureReason = FailureReason.UNSPECIFIED
    detail: str = ""
    remote: str = ""
    session_reused: bool = False
    tls_version: str = ""
    timings: tuple[PhaseTiming, ...] = ()
    recipients_delivered: int = 0
    recipients_refused: int = 0
    recipients_deferred: int = 0
