"""Every way in which a relay misbehaves, at every step, and what must follow.

A case is a step of the dialogue, what the relay does there in place of its reply, and
which extensions it offered: they decide whether the content has left by then.
`outcomes` is the oracle.  Where a reply is lost before the end of data was written,
nothing was sent; after it nobody knows, and the service must say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from postroom import RecipientStatus as Now

FIRST, SECOND = "first@example.com", "second@example.com"
ENVELOPE = ("MAIL", "RCPT1", "RCPT2")


class Mode(Enum):
    """What the relay offers; the content goes later or sooner."""

    PLAIN = "one command at a time"
    PIPELINING = "envelope and DATA in one flight"
    CHUNKING = "all in one flight"
    STARTTLS = "TLS, then a log-in"


class Reused(Enum):
    """Whether the relay misbehaves on its first mail, or on the second of a session."""

    NO = "fresh"
    YES = "reused"


LOST = (
    *("garbage", "class", "mixed", "turn", "lf-only", "cr-only", "long-line"),
    *("endless", "half", "close", "reset", "silence", "drip", "stall"),
)
"""What leaves the caller without a reply."""
REFUSED = ("421", "451", "554")
LYING = ("extra", "early", "stripped")
"""Replies that nobody asked for, so that what follows them can't be trusted; or an
EHLO from which somebody took STARTTLS."""
SOUND = ("non-utf8",)

_STEPS = {
    Mode.PLAIN: ("GREETING", "EHLO", *ENVELOPE, "DATA", "END"),
    Mode.PIPELINING: ("GREETING", "EHLO", *ENVELOPE, "DATA", "END"),
    Mode.CHUNKING: ("GREETING", "EHLO", *ENVELOPE, "END"),
    Mode.STARTTLS: ("STARTTLS", "EHLO2", "AUTH"),
}
DELIVERED, TEMP = {Now.DELIVERED}, {Now.TEMP_FAILED}
UNCERTAIN, REFUSAL, FAILURE = {Now.UNCERTAIN}, {Now.REFUSED}, {Now.FAILED}
ANYTHING_HONEST = DELIVERED | TEMP | UNCERTAIN | FAILURE


@dataclass(frozen=True)
class Case:
    """One hostile dialogue."""

    mode: Mode
    step: str
    fault: str
    reused: Reused = Reused.NO

    def __str__(self) -> str:
        words = (self.mode.name, self.step, self.fault, self.reused.value)
        return "-".join(words).lower()

    @property
    def content_is_gone(self) -> bool:
        """Whether the end of data was written before the relay misbehaves."""
        together = self.mode is Mode.CHUNKING and self.step in ENVELOPE
        return together or self.step == "END"

    @property
    def replaced(self) -> bool:
        """Whether it looks like a pooled session that had died: a fresh one serves."""
        gone = self.fault == "421" or (
            self.fault in {"close", "reset", "half"} and not self.content_is_gone
        )
        return self.reused is Reused.YES and gone

    @property
    def pauses_the_relay(self) -> bool:
        """Whether the relay refuses us for good, so that we leave it alone."""
        return self.fault == "554" and self.step in {"STARTTLS", "AUTH"}


def outcomes(case: Case) -> tuple[set[Now], set[Now]]:
    """What may have become of the first recipient, and of the second."""
    if case.replaced or case.fault in SOUND:
        return DELIVERED, DELIVERED
    if case.fault in LYING:
        return _after_a_lie(case)
    if case.fault in LOST:
        lost = UNCERTAIN if case.content_is_gone else TEMP
        return lost, lost
    return _after_a_refusal(case)


def _after_a_refusal(case: Case) -> tuple[set[Now], set[Now]]:
    if case.fault == "421":
        return TEMP, TEMP
    verdict = TEMP if case.fault == "451" else _for_good(case.step)
    if case.step == "RCPT1":
        return verdict, DELIVERED
    if case.step == "RCPT2":
        return DELIVERED, verdict
    return verdict, verdict


def _for_good(step: str) -> set[Now]:
    if step in ENVELOPE:
        return REFUSAL
    # A relay that turns us away says nothing about the mail.
    return TEMP if step in {"GREETING", "EHLO", "EHLO2"} else FAILURE


def _after_a_lie(case: Case) -> tuple[set[Now], set[Now]]:
    if case.step == "STARTTLS" or case.fault == "stripped":
        return TEMP, TEMP
    if case.step == "END" and case.fault == "extra":
        return DELIVERED, DELIVERED
    return ANYTHING_HONEST, ANYTHING_HONEST


def all_cases() -> list[Case]:
    """The whole table."""
    faults = (*LOST, *REFUSED, "extra", "early", *SOUND)
    fresh = [
        Case(mode, step, fault)
        for mode, steps in _STEPS.items()
        for step in steps
        for fault in faults
    ]
    reused = [
        Case(mode, step, fault, Reused.YES)
        for mode in (Mode.PIPELINING, Mode.CHUNKING)
        for step in ("MAIL", "END")
        for fault in ("garbage", "silence", "close", "reset", "421", "451", "extra")
    ]
    return [*fresh, *reused, Case(Mode.STARTTLS, "EHLO", "stripped")]
