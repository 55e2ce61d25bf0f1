"""The relay's side of a test: what is to go wrong, in plain words.

Each word gives a `Trouble`: in force from then on, *times* times or until it is lifted,
by `lift`, at the end of a ``with`` block, or with all others by `calm`.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import Literal, Self

from postroom_server.sandbox.relay import SandboxRelay
from postroom_server.sandbox.relay_faults import HANG_UP, Delay, Fault, Step

_REPLY = re.compile(r"[45]\d\d( [ -~]+)?")
Moment = Literal["EHLO", "DATA"]
_STEPS: dict[str, Step] = {"EHLO": Step.EHLO, "DATA": Step.END}


class Trouble:
    """Something that goes wrong until it is lifted; a context manager."""

    def __init__(self, relay: SandboxRelay, cause: Fault | Delay) -> None:
        self._relay = relay
        self._cause = cause

    def lift(self) -> None:
        """Take it back.  Idempotent."""
        self._relay.lift(self._cause)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lift()


class RelayDouble:
    """The relay behind the service: it takes everything, until it is told otherwise.

    An *address* may be "*@example.com", for all of a domain, or "*" for everybody.
    A *reply* is what an SMTP server says, such as "550 5.1.1 no such user": 4yz is for
    now, 5yz for good.
    """

    def __init__(self, relay: SandboxRelay) -> None:
        self._relay = relay
        self._away: Trouble | None = None

    def refuse(
        self,
        address: str,
        reply: str = "550 5.1.1 no such user",
        *,
        times: int | None = None,
    ) -> Trouble:
        """Refuse that recipient; the others of a mail are taken."""
        return self._say(Step.RCPT, reply, times, address)

    def defer(
        self,
        address: str,
        reply: str = "451 4.7.1 try again later",
        *,
        times: int | None = None,
    ) -> Trouble:
        """Put that recipient off: the service tries again."""
        return self._say(Step.RCPT, reply, times, address)

    def refuse_sender(
        self,
        address: str = "*",
        reply: str = "550 5.7.1 you may not send as that",
        *,
        times: int | None = None,
    ) -> Trouble:
        """Refuse mail with that envelope sender."""
        return self._say(Step.MAIL, reply, times, address)

    def reject_content(
        self,
        reply: str = "554 5.6.0 message content refused",
        *,
        times: int | None = None,
    ) -> Trouble:
        """Refuse whole mails once they were transferred."""
        return self._say(Step.END, reply, times)

    def refuse_login(self, reply: str = "530 5.7.0 authentication required") -> Trouble:
        """Refuse the service itself, as a relay does that wants other credentials."""
        return self._say(Step.MAIL, reply, None)

    def hang_up(
        self, after: Moment = "DATA", *, times: int | None = None, keep: bool = True
    ) -> Trouble:
        """Cut the link in place of an answer.

        After "EHLO" the relay knows of no mail yet.  After "DATA" it has all of it, so
        the service can't know its fate (UNCERTAIN); *keep* says whether it is in the
        inbox nevertheless.
        """
        if after not in _STEPS:
            raise ValueError(f"after must be one of {', '.join(_STEPS)}, not {after!r}")
        step = _STEPS[after]
        trouble = self._fault(step, HANG_UP, times, keep=keep)
        if step is Step.EHLO:
            # Who said EHLO before would not say it again.
            self._relay.cut()
        return trouble

    def slow(self, seconds: float) -> Trouble:
        """Wait so long before each reply."""
        return self._begin(Delay(seconds))

    def go_away(self) -> Trouble:
        """Cut all links, and new ones at once, until `come_back`."""
        self.come_back()
        self._away = self._fault(Step.CONNECT, HANG_UP, None)
        self._relay.cut()
        return self._away

    def come_back(self) -> None:
        """End `go_away`."""
        away, self._away = self._away, None
        if away is not None:
            away.lift()

    def calm(self) -> None:
        """Lift all trouble."""
        self._away = None
        self._relay.forget_trouble()

    @property
    def connections(self) -> int:
        """How many connections the service has made so far."""
        return self._relay.sessions_opened

    def _say(
        self, step: Step, reply: str, times: int | None, address: str = ""
    ) -> Trouble:
        if not _REPLY.fullmatch(reply):
            raise ValueError(
                f"a reply is a code from 400 to 599, a space and text, not {reply!r}"
            )
        return self._fault(step, reply, times, address)

    def _fault(
        self,
        step: Step,
        reply: str,
        times: int | None,
        address: str = "",
        *,
        keep: bool = False,
    ) -> Trouble:
        if times is not None and times < 1:
            raise ValueError("times must be at least 1, or None: until it is lifted")
        fault = Fault(step=step, reply=reply, address=address, keep=keep, times=times)
        return self._begin(fault)

    def _begin(self, cause: Fault | Delay) -> Trouble:
        self._relay.add(cause)
        return Trouble(self._relay, cause)
