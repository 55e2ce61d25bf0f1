"""One conversation with a relay, greeting to QUIT.

A session belongs to one thread at a time; only `abort` may come from another.  It is
*usable* when its dialogue is at rest: the transaction is over, every expected reply was
read, and nothing else was.
"""

from __future__ import annotations

import time

from postroom_server.domain.attempt import FailureReason, Phase, PhaseTiming
from postroom_server.domain.reply import Reply
from postroom_server.smtp.commands import UnsafeCommand, Verb, command, mail
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.exchange import Exchange
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.opening import Opening
from postroom_server.smtp.resolve import RESOLVER, Resolver
from postroom_server.smtp.settings import RelaySettings
from postroom_server.smtp.timeouts import NO_DEADLINE, DeadlineSource
from postroom_server.smtp.transaction import Control, Transaction, TransactionReport


class Session:
    """What an `Opening` that took all its steps came to.

    *reused* counts how often a pool lent it again, *transactions* the mails offered;
    *opened_at* is monotonic.  *opening* are the times of the steps that led here.
    """

    def __init__(self, opening: Opening) -> None:
        self.relay: RelaySettings = opening.relay
        self.remote: str = opening.link.remote
        self.tls_version: str = opening.link.tls_version
        self.link = opening.link
        self.extensions: Extensions = opening.extensions
        self.auth_mechanism: str = opening.mechanism
        self.opening: tuple[PhaseTiming, ...] = tuple(opening.timings)
        self.opened_at: float = time.monotonic()
        self.reused = 0
        self.transactions = 0
        self._dialogue = opening.dialogue
        self._at_rest = True

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin."""
        quiet = self._dialogue.fault is None and self._dialogue.wire.silent
        return self._at_rest and quiet

    @property
    def left_by_relay(self) -> bool:
        """Whether it ended because the relay closed it or answered 421."""
        fault = self._dialogue.fault
        return fault is not None and fault.by_relay

    def pending(self) -> bool:
        """Whether the relay spoke unasked, or left; looks without waiting.

        Such a session is given up: what came would pass for the reply to the next
        command (threat M4).
        """
        if self._dialogue.fault is None and self._dialogue.wire.pending():
            self._hear_why()
        return self._dialogue.fault is not None

    def transact(self, transaction: Transaction, control: Control) -> TransactionReport:
        """Offer one mail; whatever the relay and the link do is in the report."""
        exchange = Exchange(self._dialogue, self.extensions, transaction, control)
        self._at_rest = False
        self.pending()
        report = exchange.run(self.relay.one_flight)
        self._at_rest = True
        self.transactions += 1
        if report.failure is not None:
            report.failure.link = self.link
        return report

    def noop(self, deadline: DeadlineSource = NO_DEADLINE) -> None:
        """Make sure that the relay is there.  Raises `SessionError`."""
        self._ask(command(Verb.NOOP), Phase.POOL, deadline)

    def reset(self, deadline: DeadlineSource = NO_DEADLINE) -> Reply:
        """RSET.  Raises `SessionError`, also when it is refused."""
        return self._ask(command(Verb.RSET), Phase.RSET, deadline)

    def vrfy(self, address: str, deadline: DeadlineSource = NO_DEADLINE) -> Reply:
        """What the relay says of *address*; a refusal is an answer.

        Raises `SessionError`.
        """
        return self._ask_about(address, Phase.VRFY, deadline)

    def try_sender(self, address: str, deadline: DeadlineSource = NO_DEADLINE) -> Reply:
        """MAIL FROM *address*, to be followed by `reset`; a refusal is an answer.

        Raises `SessionError`.
        """
        return self._ask_about(address, Phase.MAIL, deadline)

    def quit(self, deadline: DeadlineSource = NO_DEADLINE) -> Reply | None:
        """Say goodbye if that is in order, and close; never raises.

        Waits for the relay's answer for a few seconds at most.
        """
        try:
            if not self.usable or self.pending():
                return None
            self._dialogue.deadline = deadline
            seconds = self._dialogue.timeouts.clean_up
            return self._dialogue.ask(command(Verb.QUIT), Phase.QUIT, seconds)
        except SessionError:
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Close at once, without a word."""
        self._dialogue.wire.close()
        self._at_rest = False

    def abort(self) -> None:
        """Cut the connection, from any thread; whoever waits on it fails."""
        self._dialogue.wire.abort()

    def __repr__(self) -> str:
        state = "usable" if self.usable else "unusable"
        return f"<Session {self.remote} {state} {self.transactions} transactions>"

    def _hear_why(self) -> None:
        dialogue = self._dialogue
        try:
            reply = dialogue.at_hand(Phase.MAIL)
        except SessionError:
            return
        detail = "the relay spoke unasked"
        reason = FailureReason.PROTOCOL
        if reply is None and dialogue.wire.silent:
            reason, detail = FailureReason.NETWORK, "the relay closed the connection"
        dialogue.fail(SessionError(Phase.MAIL, reason, detail))

    def _ask_about(self, address: str, phase: Phase, deadline: DeadlineSource) -> Reply:
        try:
            line = mail(address) if phase is Phase.MAIL else command(Verb.VRFY, address)
        except UnsafeCommand as error:
            raise SessionError(phase, FailureReason.NOT_SUPPORTED, str(error)) from None
        self._dialogue.deadline = deadline
        return self._dialogue.ask(line, phase)

    def _ask(self, line: bytes, phase: Phase, deadline: DeadlineSource) -> Reply:
        self._dialogue.deadline = deadline
        reply = self._dialogue.ask(line, phase)
        if not reply.positive:
            raise self._dialogue.fail(SessionError.refused(reply))
        return reply


def open_session(
    relay: RelaySettings,
    deadline: DeadlineSource = NO_DEADLINE,
    resolver: Resolver = RESOLVER,
) -> Session:
    """A session with *relay*, ready for mail.

    Raises `SessionError`; nothing is left open then.
    """
    opening = Opening(relay, deadline, resolver)
    opening.run()
    return Session(opening)
