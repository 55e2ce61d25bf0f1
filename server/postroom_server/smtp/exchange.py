"""One transaction from MAIL to the reply to its content (RFC 5321 §3.3).

What goes together in a write is what the relay's extensions allow: the whole
transaction with PIPELINING and CHUNKING (RFC 2920, RFC 3030), the envelope and DATA
with PIPELINING alone, else one command at a time.  DATA and BDAT never meet in one
transaction.  Nothing is judged here: the report tells what was said.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.octets import DamagedOctets
from postroom_server.smtp.aborting import Abort
from postroom_server.smtp.commands import (
    UnsafeCommand,
    Verb,
    bdat_last,
    command,
    mail,
    rcpt,
)
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.dots import END_OF_DATA, stuffed
from postroom_server.smtp.dsn import mail_parameters, rcpt_parameters
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.flight import blocks
from postroom_server.smtp.guard import UnsafeContent, check_content
from postroom_server.smtp.progress import Progress
from postroom_server.smtp.timeouts import NO_DEADLINE
from postroom_server.smtp.transaction import Control, Transaction, TransactionReport


class Exchange:
    """Carries one transaction out over *dialogue*, which must be at rest."""

    def __init__(
        self,
        dialogue: Dialogue,
        extensions: Extensions,
        transaction: Transaction,
        control: Control,
    ) -> None:
        self._dialogue = dialogue
        self._extensions = extensions
        self._transaction = transaction
        self._control = control
        self._progress = Progress(dialogue, len(transaction.recipients))
        self._abort = Abort(dialogue.wire)
        self._called_off = False
        self._begun = False
        self._dropped = False
        self._body_until = 0.0

    def run(self, one_flight: int) -> TransactionReport:
        """Carry it out; content up to *one_flight* octets may go with its envelope.

        Never raises for what the relay or the link did.
        """
        failure: SessionError | None = None
        before = self._dialogue.wire.octets_written
        self._dialogue.deadline = lambda: self._control.deadline
        try:
            self._carry_out(one_flight)
        except SessionError as error:
            failure = self._as_ordered(error)
            self._progress.lap(error.phase)
        except DamagedOctets as error:
            # It changed since it was looked at: the relay must not take it for whole.
            damage = SessionError(Phase.BODY, FailureReason.INTERNAL, str(error))
            failure = self._as_ordered(self._dialogue.fail(damage))
        finally:
            self._abort.disarm()
        if failure is None and self._progress.final is None and not self._dropped:
            failure = self._dialogue.fault
        self._clean_up()
        return self._report(failure, self._dialogue.wire.octets_written - before)

    def _carry_out(self, one_flight: int) -> None:
        self._check()
        envelope = self._envelope_lines()
        self._control.on_abort(self._abort)
        self._begun = True
        asked = self._transaction
        extensions = self._extensions
        free = not (asked.all_or_none or asked.wait_before_data)
        together = free and extensions.pipelining
        if extensions.chunking and together and asked.size <= one_flight:
            self._all_in_one(envelope)
            return
        with_data = together and not extensions.chunking
        self._send_envelope(envelope, with_data=with_data)
        if with_data and self._dialogue.fault is None:
            self._content_after_354()
        elif self._may_go_on():
            self._send_content()

    def _check(self) -> None:
        if self._dialogue.fault is not None:
            raise self._dialogue.fault
        asked = self._transaction
        if not self._extensions.takes(asked.size):
            detail = f"the relay takes at most {self._extensions.size_limit} octets"
            raise SessionError(Phase.MAIL, FailureReason.SIZE, detail)
        if asked.smtputf8 and not self._extensions.smtputf8:
            detail = "the relay does not take UTF-8 addresses or headers (SMTPUTF8)"
            raise SessionError(Phase.MAIL, FailureReason.NOT_SUPPORTED, detail)
        if asked.eight_bit and not self._extensions.eight_bit_mime:
            detail = "the mail is 8-bit and the relay does not offer 8BITMIME"
            raise SessionError(Phase.MAIL, FailureReason.NOT_SUPPORTED, detail)
        if asked.dsn is not None and asked.dsn.required and not self._extensions.dsn:
            detail = "the relay does not offer notifications (DSN)"
            raise SessionError(Phase.MAIL, FailureReason.NOT_SUPPORTED, detail)
        try:
            check_content(asked.chunks, asked.size)
        except (UnsafeContent, DamagedOctets) as error:
            reason = FailureReason.INTERNAL
            raise SessionError(Phase.COMPOSE, reason, str(error)) from error

    def _envelope_lines(self) -> list[bytes]:
        asked = self._transaction
        parameters = []
        if self._extensions.size_limit is not None:
            parameters.append(f"SIZE={asked.size}")
        if asked.smtputf8:
            parameters.append("SMTPUTF8")
        if asked.smtputf8 or asked.eight_bit:
            parameters.append("BODY=8BITMIME")
        dsn = asked.dsn if self._extensions.dsn else None
        parameters += mail_parameters(dsn)
        try:
            lines = [mail(asked.reverse_path, *parameters, utf8=asked.smtputf8)]
            lines += (
                rcpt(r, *rcpt_parameters(dsn, r), utf8=asked.smtputf8)
                for r in asked.recipients
            )
        except UnsafeCommand as error:
            reason = FailureReason.INTERNAL
            raise SessionError(Phase.MAIL, reason, str(error)) from error
        return lines

    def _send_envelope(self, lines: list[bytes], *, with_data: bool) -> None:
        if not self._extensions.pipelining:
            self._send_one_by_one(lines)
            return
        phases = [Phase.MAIL, *[Phase.RCPT] * (len(lines) - 1)]
        if with_data:
            lines = [*lines, command(Verb.DATA)]
            phases.append(Phase.DATA)
        self._progress.begin(*phases)
        self._dialogue.say(b"".join(lines), Phase.MAIL)
        self._progress.hear_all()
        self._progress.lap(*dict.fromkeys(phases))

    def _send_one_by_one(self, lines: list[bytes]) -> None:
        progress = self._progress
        progress.begin(Phase.MAIL)
        self._dialogue.say(lines[0], Phase.MAIL)
        progress.hear_all()
        progress.lap(Phase.MAIL)
        if progress.refused:
            return
        progress.begin()
        for line in lines[1:]:
            self._dialogue.say(line, Phase.RCPT)
            progress.owe(Phase.RCPT)
            progress.hear_all()
        progress.lap(Phase.RCPT)

    def _may_go_on(self) -> bool:
        """Whether the envelope's replies let the content follow."""
        if self._dialogue.fault is not None or self._progress.refused:
            return False
        accepted = self._progress.accepted_recipients
        everybody = accepted == len(self._transaction.recipients)
        return everybody or not self._transaction.all_or_none

    def _send_content(self) -> None:
        if self._extensions.chunking:
            self._progress.begin(Phase.END_OF_DATA)
            self._write_content(self._as_chunk([]))
            self._hear_final()
            return
        self._progress.begin(Phase.DATA)
        self._dialogue.say(command(Verb.DATA), Phase.DATA)
        self._progress.hear_all()
        self._progress.lap(Phase.DATA)
        self._content_after_354()

    def _all_in_one(self, envelope: list[bytes]) -> None:
        phases = [Phase.MAIL, *[Phase.RCPT] * (len(envelope) - 1), Phase.END_OF_DATA]
        self._progress.begin(*phases)
        self._write_content(self._as_chunk(envelope))
        self._hear_final(*dict.fromkeys(phases[:-1]))

    def _as_chunk(self, envelope: list[bytes]) -> Iterable[bytes]:
        yield b"".join([*envelope, bdat_last(self._transaction.size)])
        yield from self._transaction.chunks

    def _content_after_354(self) -> None:
        data = self._progress.data
        if data is None or not data.positive or self._dialogue.fault is not None:
            return
        if self._progress.refused:
            # RFC 2920 §3.1: nobody is to get it; the dot alone ends the mistake.
            self._dialogue.ask(END_OF_DATA, Phase.END_OF_DATA)
            return
        self._progress.begin(Phase.END_OF_DATA)
        self._write_content(stuffed(self._transaction.chunks))
        self._hear_final()

    def _write_content(self, pieces: Iterable[bytes]) -> None:
        """Write *pieces*, unless called off, or stopped by what the relay says."""
        self._progress.step = Phase.BODY
        seconds = self._dialogue.timeouts.body(self._transaction.size)
        self._body_until = time.monotonic() + seconds
        owing = self._progress.data is not None
        for block, last in blocks(pieces):
            if last and not self._pass_end_of_data():
                self._called_off = True
                if owing:
                    self._drop("called off before the end of data")
                return
            # A relay that reads fast never makes us wait; it may have spoken even so.
            if not self._write(block) or not (last or self._unopposed()):
                return
            owing = True
        self._progress.end_of_data_sent = True

    def _pass_end_of_data(self) -> bool:
        if not self._control.pass_end_of_data():
            return False
        self._abort.disarm()
        self._dialogue.deadline = NO_DEADLINE
        return True

    def _write(self, block: list[memoryview]) -> bool:
        left = max(0.0, self._body_until - time.monotonic())
        seconds = min(left, self._dialogue.timeouts.block)
        heard = self._progress.hear_at_hand
        gone = self._dialogue.write(block, Phase.BODY, seconds, heard)
        return gone or self._drop_if_refused()

    def _unopposed(self) -> bool:
        """Whether the relay has not spoken against what it is being sent."""
        if not self._dialogue.wire.listen() or self._progress.hear_at_hand():
            return True
        return self._drop_if_refused()

    def _drop_if_refused(self) -> bool:
        if self._progress.refused:
            self._drop("the relay refused what it was being sent")
        return False

    def _hear_final(self, *phases: Phase) -> None:
        if self._called_off or self._dialogue.fault is not None:
            return
        self._progress.hear_all()
        self._progress.lap(*phases, Phase.BODY, Phase.END_OF_DATA)

    def _drop(self, detail: str) -> None:
        """Give the link up: the relay waits for content that will not come."""
        self._dropped = True
        reason = FailureReason.DEADLINE
        self._dialogue.fail(SessionError(Phase.BODY, reason, detail))

    def _as_ordered(self, error: SessionError) -> SessionError:
        """*error*, or what it really was: we cut the link ourselves."""
        if not self._abort.tripped:
            return error
        self._called_off = True
        return SessionError(error.phase, FailureReason.DEADLINE, "called off")

    def _clean_up(self) -> None:
        """Leave no transaction open at the relay; else the session is not at rest."""
        final = self._progress.final
        over = final is not None and (final.positive or not self._extensions.chunking)
        self._dialogue.deadline = NO_DEADLINE
        if over or not self._begun or self._dialogue.fault is not None:
            return
        try:
            seconds = self._dialogue.timeouts.clean_up
            reset = self._dialogue.ask(command(Verb.RSET), Phase.RSET, seconds)
        except SessionError:
            return
        if not reset.positive:
            self._dialogue.fail(SessionError.refused(reset))

    def _report(
        self, failure: SessionError | None, octets_sent: int
    ) -> TransactionReport:
        progress = self._progress
        if failure is not None:
            failure.timings = tuple(progress.timings)
        return TransactionReport(
            mail=progress.mail,
            rcpt=tuple(progress.rcpt),
            data=progress.data,
            final=progress.final,
            phase=progress.reached(failure.phase if failure else None),
            end_of_data_sent=progress.end_of_data_sent,
            called_off=self._called_off,
            failure=failure,
            timings=tuple(progress.timings),
            octets_sent=octets_sent,
        )
