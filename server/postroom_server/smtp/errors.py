"""What went wrong between us and a relay, with all that an attempt records of it."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.attempt import (
    DETAIL_LIMIT,
    FailureReason,
    Phase,
    PhaseTiming,
)
from postroom_server.domain.reply import Reply
from postroom_server.domain.text import printable
from postroom_server.domain.verdict import Outcome, judge

_OURS = {FailureReason.SIZE, FailureReason.NOT_SUPPORTED, FailureReason.INTERNAL}


@dataclass(frozen=True, slots=True)
class Link:
    """The connection of a session; *remote* is ``host:port [address]``.

    Empty texts: no connection, no TLS.
    """

    remote: str = ""
    tls_version: str = ""


class SessionError(Exception):
    """A step failed.  *reply* is what the relay said, if it was its word.

    *detail* is our sentence; *timings* are the steps that took place; *link* tells how
    far the connection had come.  *of_another*: it befell another mail of the session
    first, and tells nothing new about the relay.
    """

    def __init__(
        self,
        phase: Phase,
        reason: FailureReason,
        detail: str,
        reply: Reply | None = None,
    ) -> None:
        super().__init__(phase, reason, detail)
        self.phase = phase
        self.reason = reason
        self.detail = printable(detail, DETAIL_LIMIT)
        self.reply = reply
        self.timings: tuple[PhaseTiming, ...] = ()
        self.link = Link()
        self.of_another = False

    @classmethod
    def refused(cls, reply: Reply, detail: str = "") -> SessionError:
        """The relay said no; the reply's verdict gives the reason."""
        verb = reply.phase.name
        return cls(
            reply.phase,
            judge(reply).reason or FailureReason.PROTOCOL,
            detail or f"the relay refused {verb}",
            reply,
        )

    def for_another(self) -> SessionError:
        """What it is to another mail that was under way in the session.

        After a 421 (RFC 5321 §3.8) the relay did nothing more; what else it said was
        not about that mail.
        """
        told = self.reply if self.reply is not None and self.reply.code == 421 else None
        error = SessionError(self.phase, self.reason, self.detail, told)
        error.of_another = True
        return error

    @property
    def permanent(self) -> bool:
        """Whether the relay, asked again the same, would say the same.

        What that means for a mail is for the engine: a fault of the relay condemns
        none.
        """
        if self.reply is not None:
            return judge(self.reply).outcome is Outcome.PERMANENT
        return self.reason in _OURS

    @property
    def by_relay(self) -> bool:
        """Whether the relay left us: it closed the connection, or answered 421."""
        return self.reason in {
            FailureReason.NETWORK,
            FailureReason.RELAY_UNAVAILABLE,
        }

    def __str__(self) -> str:
        said = f" ({self.reply})" if self.reply else ""
        return f"{self.phase.name}: {self.detail}{said}"


class NeedsAdministrator(SessionError):
    """The relay or our settings for it are wrong in a way that time does not mend.

    A certificate that is not trusted, or credentials that would go in the clear.
    """


class PoolTimeout(SessionError, TimeoutError):
    """No session became free in time; *reason* is DEADLINE or TIMEOUT."""


class PoolSaturated(SessionError):
    """As many as may wait for a session already do."""


class PoolClosed(SessionError):
    """The pool was closed; it lends no more."""
