"""What a relay's reply means for the mail it answers.

A verdict settles what may be done (*outcome*), who is affected (*scope*) and what
kind of failure it is (*reason*), without any I/O.  The engine acts on verdicts; it
never looks at a reply code.

The first digit decides (RFC 5321 §4.2.1).  Each exception is a case of `_exception`
and names the paragraph that justifies it.
"""

from __future__ import annotations

from enum import Enum

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.domain.values import value


class Outcome(Enum):
    """What may be done about it."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


class Scope(Enum):
    """Who shares the fate of the reply, from narrowest to widest."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    RELAY = "relay"


@value(frozen=True, slots=True)
class Verdict:
    """What we conclude from a reply."""

    outcome: Outcome
    scope: Scope
    reason: FailureReason = FailureReason.UNSPECIFIED

    @property
    def retryable(self) -> bool:
        """Whether the mail may be offered again.

        A fault of the relay never condemns the mail, however permanent.
        """
        match self.outcome:
            case Outcome.ACCEPTED:
                return False
            case Outcome.TRANSIENT:
                return True
            case Outcome.PERMANENT:
                return self.scope is Scope.RELAY


def judge(reply: Reply) -> Verdict:
    """Judge *reply* by its codes and the phase that it answers."""
    exception = _exception(reply)
    if exception is not None:
        return exception
    outcome = _OUTCOMES.get(reply.code // 100, Outcome.TRANSIENT)
    scope = _SCOPES.get(reply.phase, Scope.RELAY)
    if outcome is Outcome.ACCEPTED:
        return Verdict(outcome, scope)
    return Verdict(outcome, scope, _reason(reply))


def _exception(reply: Reply) -> Verdict | None:
    match reply.code, reply.phase:
        case 421, _:
            # RFC 5321 §3.8: the relay is leaving; the mail is not at fault.
            return Verdict(
                Outcome.TRANSIENT, Scope.RELAY, FailureReason.RELAY_UNAVAILABLE
            )
        case ((530 | 534 | 535 | 538), _):
            # RFC 4954 §6: our credentials, or the want of them; nor is it here.
            return Verdict(Outcome.PERMANENT, Scope.RELAY, FailureReason.AUTHENTICATION)
        case 454, Phase.AUTH:
            # RFC 4954 §6: temporary authentication failure.
            return Verdict(Outcome.TRANSIENT, Scope.RELAY, FailureReason.AUTHENTICATION)
        case 552, Phase.RCPT if reply.enhanced_code in {"", "5.5.3"}:
            # RFC 5321 §4.5.3.1.10: an old spelling of 452, too many recipients.
            return Verdict(Outcome.TRANSIENT, Scope.RECIPIENT, FailureReason.RATE)
        case _:
            return None


def _reason(reply: Reply) -> FailureReason:
    subject = reply.enhanced_code.partition(".")[2]
    return (
        _BY_SUBJECT.get(subject)
        or _by_class(subject, reply.phase)
        or _BY_CODE.get(reply.code)
        or _BY_PHASE.get(reply.phase)
        or FailureReason.UNKNOWN
    )


def _by_class(subject: str, phase: Phase) -> FailureReason | None:
    if subject.startswith("7.") and phase is Phase.MAIL:
        return FailureReason.SENDER_REFUSED
    return _BY_SUBJECT_CLASS.get(subject.partition(".")[0])


_OUTCOMES = {2: Outcome.ACCEPTED, 4: Outcome.TRANSIENT, 5: Outcome.PERMANENT}
"""A reply out of turn (1yz, 3yz) says nothing final about the mail."""

_SCOPES = {
    Phase.MAIL: Scope.MESSAGE,
    Phase.RCPT: Scope.RECIPIENT,
    Phase.DATA: Scope.MESSAGE,
    Phase.BODY: Scope.MESSAGE,
    Phase.END_OF_DATA: Scope.MESSAGE,
}

# RFC 3463 §3 and its registry, by subject.detail.
_BY_SUBJECT = {
    "1.0": FailureReason.ADDRESS_UNKNOWN,
    "1.1": FailureReason.ADDRESS_UNKNOWN,
    "1.2": FailureReason.ADDRESS_UNKNOWN,
    "1.3": FailureReason.ADDRESS_UNKNOWN,
    "1.4": FailureReason.ADDRESS_UNKNOWN,
    "1.6": FailureReason.ADDRESS_UNKNOWN,
    "1.7": FailureReason.SENDER_REFUSED,
    "1.8": FailureReason.SENDER_REFUSED,
    "1.10": FailureReason.ADDRESS_UNKNOWN,
    "2.3": FailureReason.SIZE,
    "3.2": FailureReason.RELAY_UNAVAILABLE,
    "3.3": FailureReason.NOT_SUPPORTED,
    "3.4": FailureReason.SIZE,
    "4.4": FailureReason.ADDRESS_UNKNOWN,
    "4.5": FailureReason.RATE,
    "5.1": FailureReason.PROTOCOL,
    "5.2": FailureReason.PROTOCOL,
    "5.3": FailureReason.RATE,
    "6.7": FailureReason.NOT_SUPPORTED,
    "7.8": FailureReason.AUTHENTICATION,
    "7.9": FailureReason.AUTHENTICATION,
    "7.10": FailureReason.TLS,
    "7.11": FailureReason.TLS,
}
_BY_SUBJECT_CLASS = {
    "2": FailureReason.MAILBOX_UNAVAILABLE,
    "3": FailureReason.RELAY_UNAVAILABLE,
    "4": FailureReason.NETWORK,
    "5": FailureReason.PROTOCOL,
    "6": FailureReason.CONTENT,
    "7": FailureReason.POLICY,
}
_BY_CODE = {
    452: FailureReason.RATE,
    500: FailureReason.PROTOCOL,
    501: FailureReason.PROTOCOL,
    502: FailureReason.PROTOCOL,
    503: FailureReason.PROTOCOL,
    504: FailureReason.NOT_SUPPORTED,
    523: FailureReason.SIZE,
    552: FailureReason.SIZE,
    555: FailureReason.NOT_SUPPORTED,
    556: FailureReason.ADDRESS_UNKNOWN,
}
_BY_PHASE = {
    Phase.GREETING: FailureReason.RELAY_UNAVAILABLE,
    Phase.TLS: FailureReason.TLS,
    Phase.AUTH: FailureReason.AUTHENTICATION,
    Phase.MAIL: FailureReason.SENDER_REFUSED,
    Phase.RCPT: FailureReason.ADDRESS_UNKNOWN,
    Phase.END_OF_DATA: FailureReason.CONTENT,
}
