"""When the sandbox relay says no, hangs up or dawdles, because it was told to.

A fault that was told comes before an address that stands for one, and one that is
told for some times before one that holds until it is lifted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum

from postroom_server.sandbox.relay_addresses import (
    Simulator,
    loses_reply,
    refuses_content,
)

HANG_UP = "(hang up)"
"""In place of a reply: the link is cut."""
CONTENT_REFUSED = "554 5.6.0 message content refused"


class Step(StrEnum):
    """Where something can go wrong; END is the end of data, by DATA or BDAT LAST."""

    CONNECT = "CONNECT"
    EHLO = "EHLO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "END"
    NOOP = "NOOP"
    RSET = "RSET"
    VRFY = "VRFY"


@dataclass(eq=False, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at *step*: *reply* is said, or the link cut.

    At RCPT and MAIL *address* says for whom: one address, "*@example.com" for those of
    a domain, or everybody where it is empty.  *keep*: whether a mail is kept although
    its end of data is answered so.  *times* is how often yet; None: until lifted.
    """

    step: Step
    reply: str
    address: str = ""
    keep: bool = False
    times: int | None = None

    def fits(self, step: Step, address: str) -> bool:
        """Whether it is about this moment."""
        if step is not self.step or self.times == 0:
            return False
        wanted, given = self.address.lower(), address.lower()
        if wanted.startswith("*"):
            return given.endswith(wanted[1:])
        return wanted in {"", given}


@dataclass(eq=False, slots=True)
class Delay:
    """How many seconds the relay waits before each of its replies."""

    seconds: float


@dataclass(slots=True)
class Faults:
    """What is to go wrong; safe to use from any thread."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _faults: list[Fault] = field(default_factory=list)
    _delays: list[Delay] = field(default_factory=list)
    _simulator: Simulator = field(default_factory=Simulator)

    def add(self, trouble: Fault | Delay) -> None:
        """From now on *trouble* is in force."""
        with self._lock:
            if isinstance(trouble, Delay):
                self._delays.append(trouble)
            else:
                left = [fault for fault in self._faults if fault.times != 0]
                self._faults = [*left, trouble]

    def lift(self, trouble: Fault | Delay) -> None:
        """Take *trouble* back, if it is still in force."""
        with self._lock:
            self._faults = [one for one in self._faults if one is not trouble]
            self._delays = [one for one in self._delays if one is not trouble]

    def forget(self) -> None:
        """Be a good relay again; the addresses keep their meaning."""
        with self._lock:
            self._faults, self._delays = [], []

    @property
    def delay(self) -> float:
        """Seconds to wait before a reply."""
        with self._lock:
            return max((delay.seconds for delay in self._delays), default=0.0)

    def take(self, step: Step, address: str = "") -> Fault | None:
        """What goes wrong at this step, used up by asking."""
        with self._lock:
            fitting = [f for f in self._faults if f.fits(step, address)]
            counted = [f for f in fitting if f.times is not None]
            fault = next(iter(counted or fitting[-1:]), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
            return fault

    def next_reply(self, step: Step, address: str = "") -> str | None:
        """The reply told for this command, used up by asking."""
        fault = self.take(step, address)
        return fault.reply if fault else None

    def next_recipient_reply(self, address: str) -> str | None:
        """How to refuse *address*, if it is to be refused."""
        return self.next_reply(Step.RCPT, address) or self._simulator.refusal(address)

    def next_end(self, recipients: tuple[str, ...]) -> Fault | None:
        """What goes wrong at the end of data of a mail to *recipients*."""
        told = self.take(Step.END)
        if told is None and refuses_content(recipients):
            return Fault(step=Step.END, reply=CONTENT_REFUSED)
        if told is None and loses_reply(recipients):
            return Fault(step=Step.END, reply=HANG_UP, keep=True)
        return told
