"""One conversation with a relay, greeting to QUIT.

A session belongs to one thread at a time; but as many as it has `places` may have a
transaction each under way, and `abort` may come from anywhere.  It is *usable* when its
dialogue is at rest: no transaction is under way, every expected reply was read, and
nothing else was.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from postroom_server.domain.attempt import FailureReason, Phase, PhaseTiming
from postroom_server.domain.reply import Reply
from postroom_server.smtp.commands import UnsafeCommand, Verb, command, mail
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.exchange import Exchange
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.opening import Opening
from postroom_server.smtp.resolve import RESOLVER, Resolver
from postroom_server.smtp.settings import ENVELOPE_AHEAD, RelaySettings
from postroom_server.smtp.timeouts import NO_DEADLINE, DeadlineSource
from postroom_server.smtp.transaction import Control, Transaction, TransactionReport
from postroom_server.smtp.window import Window


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
        self.places: int = places_of(self.extensions, self.relay.in_flight)
        self._dialogue = opening.dialogue
        self._window = Window(self._dialogue)
        self._closed = False

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin."""
        if self._closed or self._dialogue.fault is not None:
            return False
        return self._window.at_rest and self._dialogue.wire.silent

    @property
    def has_room(self) -> bool:
        """Whether another transaction could begin beside those under way."""
        return not self._closed and self._window.has_room

    def on_room(self, callback: Callable[[], None]) -> None:
        """Have *callback* called whenever another transaction could begin."""
        self._window.room = callback

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
        return self._dialogue.spoke_unasked()

    def seems_alive(self) -> bool:
        """Whether a mail may be offered at once, without another look."""
        return not self._dialogue.spoke_unasked(noted=True)

    def transact(self, transaction: Transaction, control: Control) -> TransactionReport:
        """Offer one mail; whatever the relay and the link do is in the report."""
        order = (transaction, control)
        exchange = Exchange(self._dialogue, self.extensions, self._window, order)
        report = exchange.run(self.relay.one_flight, self.places)
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
        self._closed = True

    def abort(self) -> None:
        """Cut the connection, from any thread; whoever waits on it fails."""
        self._dialogue.wire.abort()

    def __repr__(self) -> str:
        state = "usable" if self.usable else "unusable"
        return f"<Session {self.remote} {state} {self.transactions} transactions>"

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


def places_of(extensions: Extensions, in_flight: int) -> int:
    """How many transactions may be under way in one session at once.

    With PIPELINING alone it is two: the envelope of one behind the content of another.
    """
    if not extensions.pipelining:
        return 1
    return in_flight if extensions.chunking else ENVELOPE_AHEAD


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
