"""TestConnection: every stage on the way to a relay, over a connection of its own.

A relay that can't be reached is a report, not an error.  All stages are listed, also
those that were skipped, and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from postroom_server.domain.attempt import Phase
from postroom_server.domain.reply import Reply
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.opening import Opening
from postroom_server.smtp.probe_report import ProbeReport, Stage, StageResult
from postroom_server.smtp.session import Session
from postroom_server.smtp.settings import Encryption, RelaySettings
from postroom_server.smtp.timeouts import NO_DEADLINE, DeadlineSource
from postroom_server.smtp.tls_report import TlsReport, agreed_tls, distrusted_tls

_FIRST = (Phase.DNS, Phase.CONNECT)
_TLS_EARLY = (Phase.TLS, Phase.GREETING, Phase.EHLO)
_TLS_LATE = (Phase.GREETING, Phase.EHLO, Phase.TLS)
_LAST = (Phase.AUTH, Phase.VRFY, Phase.MAIL, Phase.RSET, Phase.QUIT)


def probe(
    relay: RelaySettings,
    verify_sender: str = "",
    deadline: DeadlineSource = NO_DEADLINE,
) -> ProbeReport:
    """Test the way to *relay*, and whether it takes *verify_sender* as a sender."""
    return _Probe(relay, verify_sender, deadline).run()


class _Probe:
    def __init__(
        self, relay: RelaySettings, sender: str, deadline: DeadlineSource
    ) -> None:
        self._relay = relay
        self._sender = sender
        self._deadline = deadline
        self._opening = Opening(relay, deadline)
        self._stages: dict[Phase, Stage] = {}
        self._tls: TlsReport | None = None

    def run(self) -> ProbeReport:
        began = time.monotonic()
        if self._open():
            self._judge_tls()
            self._converse(Session(self._opening))
        return ProbeReport(
            stages=self._all_stages(),
            tls=self._tls,
            extensions=self._opening.extensions.lines,
            auth_mechanism=self._opening.mechanism,
            size_limit=self._opening.extensions.size_limit,
            seconds=time.monotonic() - began,
        )

    def _open(self) -> bool:
        """Take the steps that any session takes; whether all went well."""
        for phase, step in self._opening.steps():
            began = time.monotonic()
            try:
                self._opening.take(phase, step)
            except SessionError as error:
                self._failed(phase, error, began)
                self._opening.part(error)
                if self._opening.distrust:
                    self._read_certificate()
                return False
            self._passed(phase, self._opening.replies.get(phase), began)
            if phase is Phase.TLS:
                self._tls = agreed_tls(self._opening)
        return True

    def _read_certificate(self) -> None:
        problem = self._opening.distrust
        self._tls = distrusted_tls(self._relay, problem, self._deadline)

    def _judge_tls(self) -> None:
        if self._relay.encryption is Encryption.NONE:
            if self._opening.extensions.starttls:
                detail = (
                    "the relay offers STARTTLS, and its configuration asks for none"
                )
                self._note(Phase.TLS, StageResult.WARNING, detail)
        elif not self._relay.tls_verify:
            detail = "the certificate was not verified: this is switched off"
            self._note(Phase.TLS, StageResult.WARNING, detail)

    def _converse(self, session: Session) -> None:
        if self._sender:
            if session.extensions.vrfy:
                self._ask(session, Phase.VRFY, session.vrfy)
            if session.usable:
                self._ask(session, Phase.MAIL, session.try_sender)
            if session.usable:
                self._take_back(session)
        began = time.monotonic()
        reply = session.quit(self._deadline)
        if reply is not None:
            self._passed(Phase.QUIT, reply, began)
        elif not self._broken:
            self._note(Phase.QUIT, StageResult.WARNING, "no answer to QUIT")

    def _ask(
        self,
        session: Session,
        phase: Phase,
        question: Callable[[str, DeadlineSource], Reply],
    ) -> None:
        began = time.monotonic()
        try:
            reply = question(self._sender, self._deadline)
            if not reply.positive:
                self._refuse(reply)
        except SessionError as error:
            self._failed(phase, error, began)
            if phase is Phase.VRFY and session.usable:
                # Many relays refuse VRFY to everybody; MAIL is the test that counts.
                self._note(phase, StageResult.WARNING, error.detail)
        else:
            self._passed(phase, reply, began)

    @staticmethod
    def _refuse(reply: Reply) -> None:
        what = "verify" if reply.phase is Phase.VRFY else "accept"
        raise SessionError.refused(reply, f"the relay does not {what} the sender")

    def _take_back(self, session: Session) -> None:
        began = time.monotonic()
        try:
            self._passed(Phase.RSET, session.reset(self._deadline), began)
        except SessionError as error:
            self._failed(Phase.RSET, error, began)

    @property
    def _broken(self) -> bool:
        return any(s.result is StageResult.FAILED for s in self._stages.values())

    def _passed(self, phase: Phase, reply: Reply | None, began: float) -> None:
        before = self._stages.get(phase)
        seconds = time.monotonic() - began + (before.seconds if before else 0.0)
        self._stages[phase] = Stage(
            phase=phase, result=StageResult.OK, reply=reply, seconds=seconds
        )

    def _failed(self, phase: Phase, error: SessionError, began: float) -> None:
        self._stages[phase] = Stage(
            phase=phase,
            result=StageResult.FAILED,
            reply=error.reply,
            detail=error.detail,
            reason=error.reason,
            seconds=time.monotonic() - began,
        )

    def _note(self, phase: Phase, result: StageResult, detail: str) -> None:
        """What there is to say of a stage, in place of how it went."""
        before = self._stages.get(phase)
        self._stages[phase] = Stage(
            phase=phase,
            result=result,
            reply=before.reply if before else None,
            detail=detail,
            seconds=before.seconds if before else 0.0,
        )

    def _all_stages(self) -> tuple[Stage, ...]:
        """All stages in the order of this encryption, skipped ones too."""
        late_tls = self._relay.encryption is Encryption.TLS
        return tuple(
            self._stages.get(phase) or self._skipped(phase)
            for phase in (*_FIRST, *(_TLS_LATE if late_tls else _TLS_EARLY), *_LAST)
        )

    def _skipped(self, phase: Phase) -> Stage:
        detail = self._why_skipped(phase)
        return Stage(phase=phase, result=StageResult.SKIPPED, detail=detail)

    def _why_skipped(self, phase: Phase) -> str:
        if phase is Phase.TLS and self._relay.encryption is Encryption.NONE:
            return "not configured"
        if phase is Phase.AUTH and not self._relay.username:
            return "no user name is configured"
        if self._broken:
            return "an earlier stage failed"
        if phase is Phase.VRFY and self._sender:
            return "the relay does not offer it"
        return "no sender to verify"
