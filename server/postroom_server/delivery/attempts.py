"""Makes one attempt: borrows a session, offers the mail, tells what was found.

A pooled session that turns out to be dead is replaced by a fresh one, once, and that
costs no attempt: as long as no end of data was written to it, or when the relay said
421 (RFC 5321 §3.8, threat R7).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field, replace

from postroom_server.delivery.control import AttemptControl
from postroom_server.delivery.findings import (
    Finding,
    Found,
    deciding,
    of_session_failure,
    of_transaction,
    outcome_of,
)
from postroom_server.delivery.mailing import Mailing, Offer
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.throttle import complains
from postroom_server.domain.attempt import (
    Attempt,
    AttemptOutcome,
    FailureReason,
    Phase,
    PhaseTiming,
)
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.values import value
from postroom_server.smtp.errors import (
    PoolClosed,
    PoolSaturated,
    PoolTimeout,
    SessionError,
)
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.session import Session
from postroom_server.smtp.transaction import Transaction, TransactionReport

_NO_DSN = "sent without asking for notifications: the relay does not offer DSN"


@value(frozen=True, slots=True, kw_only=True)
class Course:
    """How an attempt went: *findings* by the recipients' `wire`, and the facts.

    *transaction* is how long the relay took from MAIL to its last word, in seconds;
    *note* is what the mail went without.  *broke* is why the relay could not be spoken
    with to the end, and *answered* that it could; neither: it was not for it to say.
    """

    findings: Mapping[str, Finding]
    phase: Phase = Phase.UNSPECIFIED
    remote: str = ""
    tls_version: str = ""
    session_reused: bool = False
    transaction: float | None = None
    timings: tuple[PhaseTiming, ...] = field(default=())
    note: str = ""
    broke: Finding | None = None
    answered: bool = False

    def bare(self) -> Course:
        """What counts of it, without any text that came from outside."""
        return Course(
            findings={wire: f.bare() for wire, f in self.findings.items()},
            phase=self.phase,
            session_reused=self.session_reused,
        )

    def attempt(self, delivery: Delivery, ended_at: Instant) -> Attempt:
        """The record of it."""
        findings = tuple(self.findings.values())
        decisive = deciding(findings)
        outcome = outcome_of(findings)
        found = [finding.found for finding in findings]
        accepted = outcome is AttemptOutcome.ACCEPTED
        return Attempt(
            number=delivery.attempts_made,
            relay=delivery.relay_name,
            started_at=delivery.leased_at or ended_at,
            ended_at=ended_at,
            outcome=outcome,
            phase=self.phase,
            reply=decisive.reply,
            reason=FailureReason.UNSPECIFIED if accepted else decisive.reason,
            detail=self.note if accepted else decisive.detail,
            remote=self.remote,
            session_reused=self.session_reused,
            tls_version=self.tls_version,
            timings=self.timings,
            recipients_delivered=found.count(Found.DELIVERED),
            recipients_refused=found.count(Found.REFUSED),
            recipients_deferred=found.count(Found.TEMPORARY),
        )


def for_all(delivery: Delivery, finding: Finding, phase: Phase) -> Course:
    """A course that ended the same for every open recipient."""
    findings = {r.wire: finding for r in delivery.open_recipients}
    return Course(findings=findings, phase=phase)


def make_attempt(relay: Relay, mailing: Mailing, control: AttemptControl) -> Course:
    """Offer *mailing* to *relay*."""
    refusal = relay.watch.refusal()
    if refusal is not None:
        return for_all(mailing.delivery, refusal, Phase.QUEUE)
    course, again = _over_a_session(relay, mailing, control, fresh=False)
    if again and control.take_back():
        course, _ = _over_a_session(relay, mailing, control, fresh=True)
    _tell(relay, course)
    return course


def _tell(relay: Relay, course: Course) -> None:
    """Tell what the attempt says about the relay, whatever it says about the mail."""
    for finding in course.findings.values():
        if complains(finding.reply):
            relay.complained()
            break
    if course.broke is not None:
        relay.watch.failed(course.broke)
    elif course.answered:
        relay.watch.worked()
    else:
        relay.watch.undecided()


def _over_a_session(
    relay: Relay, mailing: Mailing, control: AttemptControl, *, fresh: bool
) -> tuple[Course, bool]:
    """How it went, and whether a fresh session should be tried in place of this."""
    try:
        began = time.monotonic()
        with relay.pool.session(lambda: control.deadline, fresh=fresh) as session:
            waited = _waited(session, time.monotonic() - began)
            return _transact(session, mailing, control, waited)
    except SessionError as failure:
        return _without_a_session(mailing, failure), False


def _without_a_session(mailing: Mailing, failure: SessionError) -> Course:
    finding = of_session_failure(failure)
    course = for_all(mailing.delivery, finding, failure.phase)
    return replace(
        course,
        remote=failure.link.remote,
        tls_version=failure.link.tls_version,
        timings=failure.timings,
        broke=_of_the_relay(failure),
    )


def _of_the_relay(failure: SessionError) -> Finding | None:
    """What *failure* says about the relay; None: it is our own, or our caller's."""
    ours = isinstance(failure, PoolTimeout | PoolSaturated | PoolClosed)
    if (
        ours
        or failure.of_another
        or failure.reason in {FailureReason.DEADLINE, FailureReason.INTERNAL}
    ):
        return None
    return of_session_failure(failure)


def _waited(session: Session, seconds: float) -> tuple[PhaseTiming, ...]:
    """The steps until *session* was ours; *seconds* in all."""
    if session.reused:
        return (PhaseTiming(Phase.POOL, seconds),)
    steps = session.opening
    spent = sum(step.seconds for step in steps)
    return (PhaseTiming(Phase.POOL, max(0.0, seconds - spent)), *steps)


def _transact(
    session: Session,
    mailing: Mailing,
    control: AttemptControl,
    waited: tuple[PhaseTiming, ...],
) -> tuple[Course, bool]:
    offer = mailing.offer(smtputf8=session.extensions.smtputf8)
    reused, link = session.reused > 0, session.link
    if offer.transaction is None:
        course = Course(
            findings=offer.impossible,
            phase=Phase.MAIL,
            remote=link.remote,
            tls_version=link.tls_version,
            session_reused=reused,
            timings=waited,
        )
        return course, False
    began = time.monotonic()
    report = session.transact(offer.transaction, control)
    failure = report.failure
    course = Course(
        findings=_found(offer, offer.transaction, report),
        phase=report.phase,
        remote=link.remote,
        tls_version=link.tls_version,
        session_reused=reused,
        transaction=time.monotonic() - began,
        timings=waited + report.timings,
        note=_went_without(offer.transaction, session.extensions),
        broke=None if failure is None else _of_the_relay(failure),
        answered=failure is None and not report.called_off,
    )
    return course, _was_dead(report, reused=reused)


def _went_without(transaction: Transaction, offered: Extensions) -> str:
    """What was asked for, not required, and is not offered."""
    asked = transaction.dsn is not None
    return _NO_DSN if asked and not offered.dsn else ""


def _found(
    offer: Offer, transaction: Transaction, report: TransactionReport
) -> Mapping[str, Finding]:
    findings = of_transaction(report, all_or_none=transaction.all_or_none)
    found = dict(zip(transaction.recipients, findings, strict=True))
    return {**offer.impossible, **found} if offer.impossible else found


def _was_dead(report: TransactionReport, *, reused: bool) -> bool:
    """Whether the pooled session was gone, and the relay surely has nothing.

    *reused*: it had served others before; those it serves beside count as well.
    """
    if report.final is not None:
        return reused and report.final.code == 421
    failure = report.failure
    if failure is None or report.in_doubt or not failure.by_relay:
        return False
    return reused or failure.of_another
