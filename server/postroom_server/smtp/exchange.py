"""One transaction from MAIL to the reply to its content (RFC 5321 §3.3).

What goes together in a write is what the relay's extensions allow: the whole
transaction with PIPELINING and CHUNKING (RFC 2920, RFC 3030), the envelope and DATA
with PIPELINING alone, else one command at a time.  DATA and BDAT never meet in one
transaction.  So does how far it may overlap with others of its session (`window`):
with PIPELINING alone the next envelope goes behind this one's end of data.  Nothing is
judged here: the report tells what was said.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from itertools import chain

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.octets import DamagedOctets
from postroom_server.smtp.commands import Verb, bdat_last, command
from postroom_server.smtp.content import Transfer
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.dots import FINAL_DOT, stuffed
from postroom_server.smtp.envelope import check_offer, envelope_lines
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.steps import BODY, DATA, END_OF_DATA, MAIL, RCPT, RSET
from postroom_server.smtp.timeouts import NO_DEADLINE
from postroom_server.smtp.transaction import Control, Transaction, TransactionReport
from postroom_server.smtp.window import ENVELOPE, NOTHING, WHOLE, Overlap, Window

_SHORT = 256 * 1024
"""Octets of content beside which others may be under way: it keeps them waiting."""


def overlap_of(asked: Transaction, extensions: Extensions, places: int) -> Overlap:
    """How far *asked* may overlap with others, of which the session has *places*.

    What must wait for a reply inside does not, nor does long content.
    """
    waits = asked.all_or_none or asked.wait_before_data
    if waits or not extensions.pipelining or places == 1:
        return NOTHING
    if not extensions.chunking:
        return ENVELOPE
    return WHOLE if asked.size <= _SHORT else NOTHING


class Exchange(Transfer):
    """Carries one transaction out over *dialogue*, in its place of *window*."""

    def __init__(
        self,
        dialogue: Dialogue,
        extensions: Extensions,
        window: Window,
        order: tuple[Transaction, Control],
    ) -> None:
        super().__init__(dialogue, window, order)
        self._extensions = extensions

    def run(self, one_flight: int, places: int) -> TransactionReport:
        """Carry it out; content up to *one_flight* octets may go with its envelope.

        *places* is how many transactions the session may have under way.  Never raises
        for what the relay or the link did.
        """
        failure: SessionError | None = None
        try:
            self._carry_out(one_flight, places)
        except SessionError as error:
            failure = self._as_ordered(copy(error))
            self._progress.lap(error.phase)
        except DamagedOctets as error:
            # It changed since it was looked at: the relay must not take it for whole.
            damage = SessionError(BODY, FailureReason.INTERNAL, str(error))
            failure = self._as_ordered(self._dialogue.fail(damage))
        except BaseException:
            detail = "left in the middle of a transaction"
            broken = SessionError(BODY, FailureReason.INTERNAL, detail)
            self._dialogue.fail(broken)
            self._window.leave(self._place)
            raise
        finally:
            self._abort.disarm()
        if failure is None and self._progress.final is None and not self._dropped:
            failure = self._dialogue.fault
        self._clean_up()
        self._note_octets()
        self._window.leave(self._place)
        return self._report(failure)

    def _carry_out(self, one_flight: int, places: int) -> None:
        if (fault := self._dialogue.fault) is not None:
            # Where others have the session it was one of them whom this befell.
            raise fault if places == 1 else self._window.loss(self._place)
        asked, extensions = self._transaction, self._extensions
        check_offer(asked, extensions)
        envelope = envelope_lines(asked, extensions)
        overlap = overlap_of(asked, extensions, places)
        self._place.overlap = overlap
        if overlap is WHOLE:
            self._go_along(envelope)
            return
        self._window.enter(self._place, self._control)
        self._written_before = self._dialogue.wire.octets_written
        if overlap is ENVELOPE:
            self._ask_for_data(envelope)
            self._content_after_354()
            return
        self._take_over()
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

    def _take_over(self) -> None:
        """Nobody is ahead: our time is what counts, and the link is ours to cut."""
        self._dialogue.deadline = lambda: self._control.deadline
        self._control.on_abort(self._abort)
        self._begun = True

    def _go_along(self, envelope: list[bytes]) -> None:
        """Send all of it at once, among others that do the same."""
        chunks = list(self._transaction.chunks)
        self._window.enter(self._place, self._control)
        if not self._pass_end_of_data():
            self._called_off = True
            self._window.withdraw()
            return
        progress = self._progress
        progress.begin()
        progress.step = BODY
        head = b"".join([*envelope, bdat_last(self._transaction.size)])
        try:
            behind = self._window.send(self._place, [head, *chunks])
            phases = [MAIL, *[RCPT] * (len(envelope) - 1)]
            progress.owe(*[RSET] * behind, *phases, END_OF_DATA)
            self._window.await_turn(self._place)
        finally:
            progress.end_of_data_sent = self._place.sealed
            self._octets_sent = self._place.size if self._place.sealed else 0
        if self._window.has_lost(self._place):
            raise self._window.loss(self._place)
        self._begun = True
        self._hear_final(*dict.fromkeys(phases))
        if progress.reset is not None and not progress.reset.positive:
            self._window.retire()

    def _ask_for_data(self, envelope: list[bytes]) -> None:
        """Send the envelope and DATA, perhaps behind another's end of data."""
        octets = b"".join([*envelope, command(Verb.DATA)])
        phases = [MAIL, *[RCPT] * (len(envelope) - 1), DATA]
        self._progress.begin(*phases)
        if self._window.is_first(self._place):
            self._take_over()
            self._dialogue.say(octets, MAIL)
        else:
            self._ask_behind(octets)
        self._progress.hear_all()
        self._progress.lap(*dict.fromkeys(phases))

    def _ask_behind(self, octets: bytes) -> None:
        self._control.on_abort(self._window.wake)
        seconds = self._dialogue.timeouts.block
        self._dialogue.write([octets], MAIL, seconds, None)
        if not self._window.await_turn(self._place, lambda: self._control.deadline):
            self._called_off = True
            raise SessionError(MAIL, FailureReason.DEADLINE, "called off")
        if self._window.has_lost(self._place):
            raise self._window.loss(self._place)
        self._take_over()

    def _send_envelope(self, lines: list[bytes], *, with_data: bool) -> None:
        if not self._extensions.pipelining:
            self._send_one_by_one(lines)
            return
        phases = [MAIL, *[RCPT] * (len(lines) - 1)]
        if with_data:
            lines = [*lines, command(Verb.DATA)]
            phases.append(DATA)
        self._progress.begin(*phases)
        self._dialogue.say(b"".join(lines), MAIL)
        self._progress.hear_all()
        self._progress.lap(*dict.fromkeys(phases))

    def _send_one_by_one(self, lines: list[bytes]) -> None:
        progress = self._progress
        progress.begin(MAIL)
        self._dialogue.say(lines[0], MAIL)
        progress.hear_all()
        progress.lap(MAIL)
        if progress.refused:
            return
        progress.begin()
        for line in lines[1:]:
            self._dialogue.say(line, RCPT)
            progress.owe(RCPT)
            progress.hear_all()
        progress.lap(RCPT)

    def _may_go_on(self) -> bool:
        """Whether the envelope's replies let the content follow."""
        if self._dialogue.fault is not None or self._progress.refused:
            return False
        accepted = self._progress.accepted_recipients
        everybody = accepted == len(self._transaction.recipients)
        return everybody or not self._transaction.all_or_none

    def _send_content(self) -> None:
        if self._extensions.chunking:
            self._progress.begin(END_OF_DATA)
            self._write_content(self._as_chunk([]))
            self._hear_final()
            return
        self._progress.begin(DATA)
        self._dialogue.say(command(Verb.DATA), DATA)
        self._progress.hear_all()
        self._progress.lap(DATA)
        self._content_after_354()

    def _all_in_one(self, envelope: list[bytes]) -> None:
        phases = [MAIL, *[RCPT] * (len(envelope) - 1), END_OF_DATA]
        self._progress.begin(*phases)
        self._write_content(self._as_chunk(envelope))
        self._hear_final(*dict.fromkeys(phases[:-1]))

    def _as_chunk(self, envelope: list[bytes]) -> Iterable[bytes]:
        head = b"".join([*envelope, bdat_last(self._transaction.size)])
        return chain((head,), self._transaction.chunks)

    def _content_after_354(self) -> None:
        data = self._progress.data
        if data is None or not data.positive or self._dialogue.fault is not None:
            return
        if self._progress.refused:
            # RFC 2920 §3.1: nobody is to get it; the dot alone ends the mistake.
            self._dialogue.ask(FINAL_DOT, END_OF_DATA)
            return
        self._progress.begin(END_OF_DATA)
        self._write_content(stuffed(self._transaction.chunks))
        self._hear_final()

    def _hear_final(self, *phases: Phase) -> None:
        if self._called_off or self._dialogue.fault is not None:
            return
        self._progress.hear_all()
        self._progress.lap(*phases, BODY, END_OF_DATA)

    def _as_ordered(self, error: SessionError) -> SessionError:
        """*error*, or what it really was: we cut the link ourselves."""
        if not self._abort.tripped:
            return error
        self._called_off = True
        return SessionError(error.phase, FailureReason.DEADLINE, "called off")

    def _clean_up(self) -> None:
        """Leave no transaction open at the relay; else the session is not at rest."""
        if not self._begun:
            return
        final = self._progress.final
        over = final is not None and (final.positive or not self._extensions.chunking)
        self._dialogue.deadline = NO_DEADLINE
        if over or self._dialogue.fault is not None:
            return
        together = self._place.overlap is WHOLE
        if together and not self._window.hold(self._place):
            return
        try:
            seconds = self._dialogue.timeouts.clean_up
            reset = self._dialogue.ask(command(Verb.RSET), RSET, seconds)
        except SessionError:
            return
        if not reset.positive:
            self._dialogue.fail(SessionError.refused(reset))

    def _report(self, failure: SessionError | None) -> TransactionReport:
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
            octets_sent=self._octets_sent or 0,
        )
