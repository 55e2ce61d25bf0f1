"""What is known of a transaction while it runs, and which replies are still owed."""

from __future__ import annotations

import time
from collections import deque

from postroom_server.domain.attempt import FailureReason, Phase, PhaseTiming
from postroom_server.domain.reply import Reply
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.steps import BODY, DATA, END_OF_DATA, MAIL, RCPT, RSET
from postroom_server.smtp.transaction import envelope_refused


class Progress:
    """Replies, each in the place of its command: they come in the commands' order."""

    def __init__(self, dialogue: Dialogue, recipients: int) -> None:
        self.mail: Reply | None = None
        self.rcpt: list[Reply | None] = [None] * recipients
        self.data: Reply | None = None
        self.reset: Reply | None = None
        self.final: Reply | None = None
        self.step = MAIL
        self.end_of_data_sent = False
        self.timings: list[PhaseTiming] = []
        self._dialogue = dialogue
        self._owed: deque[Phase] = deque()
        self._recipient = 0
        self._began = time.monotonic()

    def begin(self, *phases: Phase) -> None:
        """A flight with one command for each of *phases* is about to leave."""
        self._began = time.monotonic()
        self.owe(*phases)

    def owe(self, *phases: Phase) -> None:
        """Expect one reply more for each of *phases*."""
        self._owed.extend(phases)

    def hear_all(self) -> None:
        """Read every reply that is owed.  Raises `SessionError`."""
        while self._owed:
            phase = self._owed[0]
            reply = self._dialogue.at_hand(phase)
            if reply is None:
                reply = self._dialogue.hear(phase, self._patience(phase))
            self._settle(reply)

    def hear_at_hand(self) -> bool:
        """Take the replies that are already here; whether content may go on.

        It may not when the envelope is refused, nor when the reply to the content came
        before its end.  Raises `SessionError`.
        """
        while self._owed and (reply := self._dialogue.at_hand(self._owed[0])):
            self._settle(reply)
        return bool(self._owed) and not self.refused

    @property
    def refused(self) -> bool:
        return envelope_refused(self.mail, self.rcpt)

    @property
    def accepted_recipients(self) -> int:
        return sum(1 for reply in self.rcpt if reply is not None and reply.positive)

    def reached(self, failed_at: Phase | None) -> Phase:
        """The last step that counts for the mail."""
        if self.mail is not None and not self.mail.positive:
            return MAIL
        if self.refused:
            return RCPT
        if self.end_of_data_sent:
            return END_OF_DATA
        return failed_at or self.step

    def lap(self, *phases: Phase) -> None:
        """The flight is over: its steps share its time."""
        seconds = time.monotonic() - self._began
        self.timings += [PhaseTiming(phase, seconds) for phase in phases]

    def _patience(self, phase: Phase) -> float:
        timeouts = self._dialogue.timeouts
        if phase is DATA:
            return timeouts.data
        return timeouts.final if phase is END_OF_DATA else timeouts.command

    def _settle(self, reply: Reply) -> None:
        phase = self._owed.popleft()
        if phase is END_OF_DATA:
            self.final = self._of_content(reply)
        elif phase is RSET:
            self.reset = reply
        else:
            self.step = phase
            if phase is RCPT:
                self.rcpt[self._recipient] = reply
                self._recipient += 1
            elif phase is MAIL:
                self.mail = reply
            else:
                self.data = reply

    def _of_content(self, reply: Reply) -> Reply:
        if self.end_of_data_sent or self.refused:
            return reply
        early = Reply(reply.code, reply.enhanced_code, reply.text, BODY)
        detail = "a reply to content that it had not got yet"
        fault = SessionError(BODY, FailureReason.PROTOCOL, detail)
        if reply.positive:
            raise self._dialogue.fail(fault)
        # The rest of the content would pass for commands: the link is of no more use.
        self._dialogue.fail(SessionError.refused(early))
        return early
