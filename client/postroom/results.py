"""What callers get back about mail.

The fields are those of `postroom.v1`, where their meaning stands in full.  Times are
in UTC, durations in seconds; None is what the service left unset.  Every result turns
into a plain dictionary with `to_dict` and into JSON with `to_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from postroom._plain import Plain
from postroom.words import (
    AttemptOutcome,
    CancelOutcome,
    Completion,
    FailureReason,
    Phase,
    Priority,
    RecipientStatus,
    Status,
)

_FAILURES = frozenset(
    {RecipientStatus.REFUSED, RecipientStatus.FAILED, RecipientStatus.TEMP_FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpReply(Plain):
    """What a relay said, such as 550, "5.1.1", "no such user"."""

    code: int
    enhanced_code: str = ""
    text: str = ""
    phase: Phase = Phase.UNSPECIFIED

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced_code, self.text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTiming(Plain):
    """How long one step took, in seconds."""

    phase: Phase
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Plain):
    """What one attempt to hand the mail to a relay met."""

    number: int
    relay: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: AttemptOutcome
    phase: Phase
    reply: SmtpReply | None
    reason: FailureReason
    detail: str
    remote: str
    session_reused: bool
    tls_version: str
    timings: tuple[PhaseTiming, ...]
    recipients_delivered: int
    recipients_refused: int
    recipients_deferred: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientResult(Plain):
    """What became of one recipient; *address* is as the caller wrote it."""

    address: str
    status: RecipientStatus
    reason: FailureReason = FailureReason.UNSPECIFIED
    reply: SmtpReply | None = None
    detail: str = ""
    is_retryable: bool = False
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFailure(Plain):
    """Why one recipient did not get it.

    *code* is None, and *text* in the service's words, where no relay said a thing.
    """

    code: int | None
    enhanced_code: str
    text: str
    status: RecipientStatus
    reason: FailureReason
    detail: str

    @classmethod
    def of(cls, recipient: RecipientResult) -> Self:
        reply = recipient.reply
        return cls(
            code=reply.code if reply else None,
            enhanced_code=reply.enhanced_code if reply else "",
            text=reply.text if reply else recipient.detail,
            status=recipient.status,
            reason=recipient.reason,
            detail=recipient.detail,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult(Plain):
    """What became of a mail.

    *delivery* names it for `Client.get`, `cancel` and `retry`.  *is_retryable* says
    that going on may help and is the caller's to do; for RETRY it is the service's.
    """

    _derived: ClassVar[tuple[str, ...]] = ("ok", "recipient_failures")

    delivery: str = ""
    status: Status = Status.UNSPECIFIED
    is_final: bool = False
    is_retryable: bool = False
    message_id: str = ""
    accepted_at: datetime | None = None
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    recipients: tuple[RecipientResult, ...] = ()
    reason: FailureReason = FailureReason.UNSPECIFIED
    smtp_error: SmtpReply | None = None
    detail: str = ""
    retry_count: int = 0
    next_attempt_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    attempts_omitted: int = 0
    maybe_duplicate: bool = False
    replayed: bool = False
    size_bytes: int = 0
    trace_id: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the relay took responsibility for every recipient."""
        return self.status is Status.SUCCESS

    @property
    def ok(self) -> bool:
        """Whether it was delivered, or is still on its way in the service's hands."""
        return self.delivered or not self.is_final

    @property
    def recipient_failures(self) -> Mapping[str, RecipientFailure]:
        """Those refused or failed, by address."""
        return {
            recipient.address: RecipientFailure.of(recipient)
            for recipient in self.recipients
            if recipient.status in _FAILURES
        }

    def raise_for_outcome(self) -> Self:
        """Return it again if it is `ok`; else raises `DeliveryFailed` with it."""
        if not self.ok:
            from postroom.errors import DeliveryFailed  # which knows results

            raise DeliveryFailed.of(self)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Plain):
    """A stored mail, and what became of it."""

    name: str
    result: DeliveryResult
    request_id: str
    completion: Completion
    relay: str
    envelope_from: str
    subject: str
    send_at: datetime | None
    expire_at: datetime | None
    purge_at: datetime | None
    metadata: Mapping[str, str]
    tags: tuple[str, ...]
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation(Plain):
    """What came of taking a mail back: PENDING where an attempt is under way."""

    outcome: CancelOutcome
    result: DeliveryResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientPlan(Plain):
    """A recipient as written, and as the relay would be told."""

    address: str
    envelope_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport(Plain):
    """What would be sent; *warnings* tell what is legal and probably not meant."""

    size_bytes: int
    relay: str
    envelope_from: str
    recipients: tuple[RecipientPlan, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob(Plain):
    """Bytes that the service keeps for later mails, until *expire_at*.

    Uploading the same again, or a mail that refers to them, moves that.
    """

    name: str
    size_bytes: int = 0
    sha256: bytes = b""
    expire_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered(Plain):
    """A mail whose bytes were written: *report* is what `Client.validate` tells."""

    report: ValidationReport
    message_id: str
    size_bytes: int
    sha256: bytes
