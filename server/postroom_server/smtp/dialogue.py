"""Commands and their replies, one after the other, and what a failure means.

Every way in which the link or the relay can fail becomes a `SessionError` here and
nowhere else.  The first failure is kept as *fault*: from then on nothing more is said
or heard, so no reply can be taken for that of another command (threats M4, R6).  What
the relay was told in confidence is cut out of whatever it says (threats C8, D1).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.smtp.auth import redacted
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.protocol import ProtocolError, RawReply
from postroom_server.smtp.timeouts import NO_DEADLINE, DeadlineSource, Timeouts, Wait
from postroom_server.smtp.wire import LinkLost, WaitEnded, Wire

# The positive codes of steps for which not every 2yz will do (RFC 5321 §4.3.2, RFC
# 3207 §4, RFC 4954 §4).  A 250 that answers DATA belongs to something else.
_POSITIVE = {
    Phase.GREETING: {220},
    Phase.TLS: {220},
    Phase.AUTH: {235, 334},
    Phase.DATA: {354},
}


_JUST_NOW = 0.005
"""Seconds for which a look at the link need not be repeated."""
_YES = frozenset(range(200, 300))
_FAILURES = (WaitEnded, ProtocolError, LinkLost)


class Dialogue:
    """One side of the conversation over *wire*; *deadline* may be set anew.

    *secrets* are the octets that no reply may show.
    """

    def __init__(
        self, wire: Wire, timeouts: Timeouts, deadline: DeadlineSource = NO_DEADLINE
    ) -> None:
        self.wire = wire
        self.timeouts = timeouts
        self.deadline = deadline
        self.secrets: list[bytes] = []
        self.fault: SessionError | None = None
        self.cut: Callable[[], None] = wire.close
        self._looked_at = -math.inf

    def fail(self, fault: SessionError) -> SessionError:
        """Give the conversation up; the link is cut.  The first fault stays."""
        if self.fault is None:
            self.fault = fault
            self.cut()
        return self.fault

    def spoke_unasked(self, *, noted: bool = False) -> bool:
        """Whether the relay said something while nothing is owed, or left.

        Looks without waiting; *noted* says that whoever writes next need not look again
        for the moment.  Such a conversation is given up: what came would pass for the
        reply to the next command (threat M4).
        """
        now = time.monotonic()
        if self.fault is None and now - self._looked_at > _JUST_NOW:
            self._looked_at = now if noted else -math.inf
            if self.wire.pending():
                self._hear_why()
        return self.fault is not None

    def _hear_why(self) -> None:
        try:
            reply = self.at_hand(Phase.MAIL)
        except SessionError:
            return
        detail = "the relay spoke unasked"
        reason = FailureReason.PROTOCOL
        if reply is None and self.wire.silent:
            reason, detail = FailureReason.NETWORK, "the relay closed the connection"
        self.fail(SessionError(Phase.MAIL, reason, detail))

    def say(self, octets: bytes, phase: Phase) -> None:
        """Write one flight of commands.  Raises `SessionError`."""
        self.write([octets], phase, self.timeouts.block)

    def write(
        self,
        buffers: Sequence[bytes | memoryview],
        phase: Phase,
        seconds: float,
        heard: Callable[[], bool] | None = lambda: True,
    ) -> bool:
        """Write *buffers*; whether all are gone, as `Wire.write`."""
        self._looked_at = -math.inf
        wait = Wait(seconds, self.deadline)
        if self.fault is not None:
            raise self.fault
        try:
            return self.wire.write(buffers, wait, heard)
        except _FAILURES as failure:
            raise self._failed(failure, phase, wait) from failure

    def hear(self, phase: Phase, seconds: float | None = None) -> Reply:
        """The next reply, which answers *phase*.

        A negative one is returned like a positive; one out of turn is a failure.
        Raises `SessionError`.
        """
        raw = self.hear_raw(phase, seconds)
        return Reply.of(raw.code, raw.lines, phase)

    def hear_raw(self, phase: Phase, seconds: float | None = None) -> RawReply:
        """The next reply as it came; otherwise as `hear`."""
        wait = Wait(
            self.timeouts.command if seconds is None else seconds, self.deadline
        )
        if self.fault is not None:
            raise self.fault
        try:
            raw = self.wire.read_reply(wait)
        except _FAILURES as failure:
            raise self._failed(failure, phase, wait) from failure
        return self._checked(raw, phase)

    def at_hand(self, phase: Phase) -> Reply | None:
        """The reply to *phase* if it was read already.  Raises `SessionError`."""
        if self.fault is not None:
            raise self.fault
        try:
            raw = self.wire.reply_at_hand()
        except _FAILURES as failure:
            raise self._failed(failure, phase, Wait(0)) from failure
        if raw is None:
            return None
        raw = self._checked(raw, phase)
        return Reply.of(raw.code, raw.lines, phase)

    def ask(self, octets: bytes, phase: Phase, seconds: float | None = None) -> Reply:
        """Say *octets* and hear the reply.  Raises `SessionError`."""
        self.say(octets, phase)
        return self.hear(phase, seconds)

    def _checked(self, raw: RawReply, phase: Phase) -> RawReply:
        code = raw.code
        if self.secrets:
            raw = RawReply(code, redacted(raw.lines, self.secrets))
        if code == 421:
            # RFC 5321 §3.8: the relay leaves; nothing that follows counts.
            self.fail(SessionError.refused(Reply.of(code, raw.lines, phase)))
        elif code < 400 and code not in _POSITIVE.get(phase, _YES):
            detail = f"a {code} that is no answer to {phase.name}"
            raise self.fail(SessionError(phase, FailureReason.PROTOCOL, detail))
        return raw

    def _failed(self, failure: Exception, phase: Phase, wait: Wait) -> SessionError:
        """What *failure* of the link or the relay is; nothing is said after it."""
        if isinstance(failure, WaitEnded):
            detail = f"the relay took too long at {phase.name}"
            return self.fail(SessionError(phase, wait.reason, detail))
        if isinstance(failure, ProtocolError):
            detail = f"the relay sent {failure}"
            return self.fail(SessionError(phase, FailureReason.PROTOCOL, detail))
        return self.fail(SessionError(phase, FailureReason.NETWORK, str(failure)))
