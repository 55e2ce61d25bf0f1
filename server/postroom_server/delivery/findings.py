"""What an attempt found out about each recipient.

The session reports what was said; here it is judged (verdict = outcome x scope) and
laid out per recipient.  Nothing here decides what follows from it: that is
`delivery.decision`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from postroom_server.domain.attempt import (
    DETAIL_LIMIT,
    AttemptOutcome,
    FailureReason,
    Phase,
)
from postroom_server.domain.reply import Reply
from postroom_server.domain.text import printable
from postroom_server.domain.values import value
from postroom_server.domain.verdict import Outcome, Scope, judge
from postroom_server.smtp.errors import NeedsAdministrator, SessionError
from postroom_server.smtp.transaction import TransactionReport


class Found(Enum):
    """What became of one recipient in one attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    TEMPORARY = "temporary"
    RELAY_AT_FAULT = "relay at fault"
    """Permanent, but not the mail's: an administrator ends it."""
    LEFT_ALONE = "left alone"
    """Temporary, and found without asking the relay."""
    OVER_QUOTA = "over quota"
    """Of no concern to the relay: on another day."""
    WITHHELD = "withheld"
    UNCERTAIN = "uncertain"
    CALLED_OFF = "called off"

    # By identity; an Enum hashes its name, and calls Python for it.
    __hash__ = object.__hash__


@value(frozen=True, slots=True)
class Finding:
    """What was found about one recipient, and the evidence."""

    found: Found
    reason: FailureReason = FailureReason.UNSPECIFIED
    reply: Reply | None = None
    detail: str = ""

    def bare(self) -> Finding:
        """What counts of it, without any text that came from outside."""
        return Finding(self.found, self.reason)


def of_session_failure(failure: SessionError) -> Finding:
    """What a session that could not be used means for every recipient."""
    if failure.reply is not None:
        return _of_refusal(failure.reply, failure.detail)
    found = Found.TEMPORARY
    if failure.reason is FailureReason.DEADLINE:
        found = Found.CALLED_OFF
    if isinstance(failure, NeedsAdministrator):
        found = Found.RELAY_AT_FAULT
    if failure.reason in _OF_THE_MAIL:
        found = Found.FAILED
    return Finding(found, failure.reason, None, failure.detail)


def of_transaction(
    report: TransactionReport, *, all_or_none: bool
) -> tuple[Finding, ...]:
    """One finding for each recipient of the transaction, in its order."""
    if report.mail is not None and not report.mail.positive:
        return (_of_refusal(report.mail),) * len(report.rcpt)
    whole = _of_the_rest(report)
    findings = tuple([_of_rcpt(reply, whole) for reply in report.rcpt])
    if all_or_none and _was_withheld(report):
        return _withheld(report, findings)
    return findings


def outcome_of(findings: Sequence[Finding]) -> AttemptOutcome:
    """How an attempt with these *findings* ended."""
    if len(findings) == 1:
        return _OUTCOMES.get(findings[0].found, AttemptOutcome.FAILED)
    found = [finding.found for finding in findings]
    for kind, outcome in _OUTCOMES.items():
        if kind in found:
            return outcome
    return AttemptOutcome.FAILED


def deciding(findings: Sequence[Finding]) -> Finding:
    """The finding that says most about why the attempt ended as it did."""
    if len(findings) == 1:
        return findings[0]
    return min(findings, key=lambda finding: _WEIGHT.index(finding.found))


def _of_rcpt(reply: Reply | None, whole: Finding) -> Finding:
    if reply is not None and not reply.positive:
        return _of_refusal(reply)
    return whole


def _of_the_rest(report: TransactionReport) -> Finding:
    """What happened to the recipients that the relay did not turn away by name."""
    if report.final is not None:
        if report.final.positive:
            return Finding(Found.DELIVERED, reply=report.final)
        return _of_refusal(report.final)
    if report.called_off:
        return Finding(
            Found.CALLED_OFF,
            FailureReason.DEADLINE,
            detail="broken off before the end of data",
        )
    if report.failure is not None:
        return _of_broken_link(report.failure, in_doubt=report.in_doubt)
    if report.data is not None and not report.data.positive:
        return _of_refusal(report.data)
    return Finding(
        Found.TEMPORARY, FailureReason.PROTOCOL, detail="the relay gave no verdict"
    )


def _of_broken_link(failure: SessionError, *, in_doubt: bool) -> Finding:
    if not in_doubt:
        return of_session_failure(failure)
    told = f"no answer to the end of data: {failure.detail}"
    detail = printable(told, DETAIL_LIMIT)
    return Finding(Found.UNCERTAIN, failure.reason, failure.reply, detail)


def _of_refusal(reply: Reply, detail: str = "") -> Finding:
    verdict = judge(reply)
    found = _found(verdict.outcome, verdict.scope, verdict.reason, reply.phase)
    reason = verdict.reason or FailureReason.PROTOCOL
    return Finding(found, reason, reply, detail)


def _found(
    outcome: Outcome, scope: Scope, reason: FailureReason, phase: Phase
) -> Found:
    if outcome is not Outcome.PERMANENT:
        return Found.TEMPORARY
    if scope is Scope.RELAY:
        lasting = reason in {FailureReason.AUTHENTICATION, FailureReason.TLS}
        return Found.RELAY_AT_FAULT if lasting else Found.TEMPORARY
    if scope is Scope.RECIPIENT:
        return Found.REFUSED
    about_sender = phase is Phase.MAIL and reason not in _OF_THE_MAIL
    return Found.REFUSED if about_sender else Found.FAILED


def _was_withheld(report: TransactionReport) -> bool:
    """Whether the content stayed here for what the relay said of a recipient alone."""
    broken = report.called_off or report.failure is not None
    refused = any(reply is not None and not reply.positive for reply in report.rcpt)
    return refused and not broken and not report.end_of_data_sent


def _withheld(
    report: TransactionReport, findings: tuple[Finding, ...]
) -> tuple[Finding, ...]:
    """All or none: a temporary refusal defers all, a permanent one withholds it.

    The others share the fate of the refusal that weighs most, and not its reply: that
    is about somebody else.
    """
    refusals = [
        f
        for f, reply in zip(findings, report.rcpt, strict=True)
        if reply is not None and not reply.positive
    ]
    if any(f.found is Found.REFUSED for f in refusals):
        others = Finding(Found.WITHHELD, detail="another recipient was refused")
        return tuple(f if f.found is Found.REFUSED else others for f in findings)
    decisive = deciding(refusals)
    others = replace(decisive, reply=None, detail="another recipient was put off")
    return tuple(
        others if reply is None or reply.positive else f
        for f, reply in zip(findings, report.rcpt, strict=True)
    )


_OF_THE_MAIL = {
    FailureReason.SIZE,
    FailureReason.NOT_SUPPORTED,
    FailureReason.CONTENT,
    FailureReason.INTERNAL,
}
"""Reasons that condemn the mail itself, whoever is to get it."""

_OUTCOMES = {
    Found.DELIVERED: AttemptOutcome.ACCEPTED,
    Found.UNCERTAIN: AttemptOutcome.UNCERTAIN,
    Found.CALLED_OFF: AttemptOutcome.ABANDONED,
    Found.TEMPORARY: AttemptOutcome.TEMP_FAILED,
    Found.LEFT_ALONE: AttemptOutcome.TEMP_FAILED,
    # An attempt that was not made costs nothing.
    Found.OVER_QUOTA: AttemptOutcome.LOST,
}
"""By what was found of one recipient at least; the first of these decides."""

_WEIGHT = (
    Found.DELIVERED,
    Found.UNCERTAIN,
    Found.RELAY_AT_FAULT,
    Found.CALLED_OFF,
    Found.FAILED,
    Found.TEMPORARY,
    Found.LEFT_ALONE,
    Found.OVER_QUOTA,
    Found.REFUSED,
    Found.WITHHELD,
)
