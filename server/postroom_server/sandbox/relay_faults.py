"""When the sandbox relay says no: faults told to it, and addresses that stand for one.

The addresses work at any domain and with any label ("bounce+7@example.com"), so that
failures can be tried without code, in the manner of Amazon SES's simulator:

    success          taken
    bounce           RCPT: 550 5.1.1, for good
    defer            RCPT: 451 4.7.1, always
    defer-once       RCPT: 451 4.7.1 the first time, then taken
    full             RCPT: 452 4.2.2, always
    reject-content   end of data: 554 5.6.0 for the whole mail
    lost             taken, and the link is cut instead of a reply to the end of data

A fault that was told comes before an address that stands for one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum, StrEnum

_REFUSED = {
    "bounce": "550 5.1.1 no such user here",
    "defer": "451 4.7.1 try again later",
    "full": "452 4.2.2 mailbox full",
}
_DEFERRED_ONCE = "451 4.7.1 greylisted, try again"
_CONTENT_REFUSED = "554 5.6.0 message content refused"


class Step(StrEnum):
    """Where a reply can be told; END is the end of data, by DATA or BDAT LAST."""

    EHLO = "EHLO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "END"
    NOOP = "NOOP"
    RSET = "RSET"
    VRFY = "VRFY"


class Drop(Enum):
    """What becomes of a mail whose end of data is answered by cutting the link."""

    KEPT = "kept"
    LOST = "lost"


@dataclass(slots=True)
class Faults:
    """What is to go wrong, and how often; safe to use from any thread."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refused: dict[str, str] = field(default_factory=dict)
    _replies: dict[Step, list[str]] = field(default_factory=dict)
    _drops: list[Drop] = field(default_factory=list)
    _deferred: set[str] = field(default_factory=set)

    def refuse(self, address: str, reply: str) -> None:
        """Answer every RCPT for *address* with *reply*."""
        with self._lock:
            self._refused[address.lower()] = reply

    def fail_next(self, step: Step, reply: str, times: int) -> None:
        """Answer the next commands of that kind with *reply*, after those told."""
        with self._lock:
            self._replies.setdefault(step, []).extend([reply] * times)

    def drop_after_data(self, drop: Drop, times: int) -> None:
        """Cut the link at the next ends of data."""
        with self._lock:
            self._drops.extend([drop] * times)

    def forget(self) -> None:
        """Be a good relay again; the addresses keep their meaning."""
        with self._lock:
            self._refused.clear()
            self._replies.clear()
            self._drops.clear()

    def next_reply(self, step: Step) -> str | None:
        """The reply told for this command, used up by asking."""
        with self._lock:
            told = self._replies.get(step)
            return told.pop(0) if told else None

    def next_recipient_reply(self, address: str) -> str | None:
        """How to refuse *address*, if it is to be refused."""
        reply = self.next_reply(Step.RCPT)
        with self._lock:
            return (
                reply or self._refused.get(address.lower()) or self._simulated(address)
            )

    def next_end_reply(self, recipients: tuple[str, ...]) -> str | None:
        """How to refuse a mail at its end of data, if it is to be refused."""
        reply = self.next_reply(Step.END)
        if reply is None and _names(recipients, "reject-content"):
            return _CONTENT_REFUSED
        return reply

    def next_drop(self, recipients: tuple[str, ...]) -> Drop | None:
        """How to cut the link at the end of data, if it is to be cut."""
        with self._lock:
            if self._drops:
                return self._drops.pop(0)
        return Drop.KEPT if _names(recipients, "lost") else None

    def _simulated(self, address: str) -> str | None:
        name = _name_of(address)
        if name == "defer-once" and address not in self._deferred:
            self._deferred.add(address)
            return _DEFERRED_ONCE
        return _REFUSED.get(name)


def _names(recipients: tuple[str, ...], name: str) -> bool:
    return any(_name_of(address) == name for address in recipients)


def _name_of(address: str) -> str:
    return address.partition("@")[0].partition("+")[0].lower()
