"""What testing the way to a relay found; the shape of TestConnection's answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.smtp.tls_report import TlsReport


class StageResult(IntEnum):
    """How a stage went; a WARNING does not keep mail from being sent."""

    UNSPECIFIED = 0
    OK = 1
    WARNING = 2
    FAILED = 3
    SKIPPED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage; *detail* is ours and holds no credential."""

    phase: Phase
    result: StageResult
    reply: Reply | None = None
    detail: str = ""
    reason: FailureReason = FailureReason.UNSPECIFIED
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """*size_limit*: octets; 0 where SIZE gives none, None where it is not offered."""

    stages: tuple[Stage, ...]
    tls: TlsReport | None
    extensions: tuple[str, ...]
    auth_mechanism: str
    size_limit: int | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether mail could be sent: no stage failed."""
        return all(s.result is not StageResult.FAILED for s in self.stages)

    @property
    def diagnosis(self) -> str:
        """One sentence: what works, or what to change."""
        failed = [s for s in self.stages if s.result is StageResult.FAILED]
        if failed:
            return f"{_ADVICE[failed[0].phase]}: {_seen(failed[0])}."
        tls = f" over {self.tls.version}" if self.tls else " without TLS"
        login = f", logged in by {self.auth_mechanism}" if self.auth_mechanism else ""
        doubts = [s for s in self.stages if s.result is StageResult.WARNING]
        but = "; ".join(_seen(s) for s in doubts)
        return f"Mail can be sent{tls}{login}{' -- but ' + but if but else ''}."


def _seen(stage: Stage) -> str:
    said = f" ({stage.reply})" if stage.reply else ""
    return f"{stage.detail}{said}"


_ADVICE = {
    Phase.DNS: "Check the relay's host name",
    Phase.CONNECT: "Check the relay's host and port, and any firewall on the way",
    Phase.TLS: "Check the relay's encryption setting, host name and certificate",
    Phase.GREETING: "The relay does not take connections from here",
    Phase.EHLO: "The relay does not accept the name that we introduce ourselves by",
    Phase.AUTH: "Check the relay's user name, password or token, and mechanism",
    Phase.VRFY: "The connection broke while the sender was verified",
    Phase.MAIL: "Use a sender that the relay accepts for this account",
    Phase.RSET: "The connection broke after the sender was tried",
    Phase.QUIT: "The connection broke at its end",
}
