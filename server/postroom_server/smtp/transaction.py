"""What is asked of a transaction, who may stop it, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from postroom_server.domain.attempt import Phase, PhaseTiming
from postroom_server.domain.dsn import Dsn
from postroom_server.domain.reply import Reply
from postroom_server.domain.values import value
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.timeouts import Deadline


@value(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One mail for one envelope.

    *chunks* together are *size* octets of CRLF lines and may be gone through more than
    once.  *smtputf8*: the envelope or the headers are UTF-8; *eight_bit*: the body has
    octets beyond ASCII (RFC 6152).  *all_or_none*: one refused recipient calls
    everything off.  *wait_before_data*: no content leaves before the relay has
    answered to the whole envelope.  *dsn* is asked where the relay offers it.
    """

    reverse_path: str
    recipients: tuple[str, ...]
    chunks: Iterable[bytes]
    size: int
    smtputf8: bool = False
    eight_bit: bool = False
    all_or_none: bool = False
    wait_before_data: bool = False
    dsn: Dsn | None = None


class Control(Protocol):
    """How whoever ordered a transaction stays in command of it."""

    @property
    def deadline(self) -> Deadline:
        """Until when we may wait; looked at again before each wait."""

    def pass_end_of_data(self) -> bool:
        """Whether the mail may now leave for good.

        Asked at most once, right before the write that holds the end of data.  After a
        yes neither the deadline nor an abort applies any more.
        """

    def on_abort(self, callback: Callable[[], None]) -> None:
        """Keep *callback*; any thread may call it to break the transaction off.

        It does nothing once the end of data was passed or the transaction is over.
        """


@value(frozen=True, slots=True, kw_only=True)
class TransactionReport:
    """What the relay said, and how far we came; judged by others.

    *rcpt* has a place for each recipient.  *final* answers the content, or the part of
    it that was written before the relay broke in (its phase is then BODY).  *failure*
    is what ended the transaction when no reply to the content did; a 421 is one.
    *octets_sent* counts commands and content.
    """

    mail: Reply | None
    rcpt: tuple[Reply | None, ...]
    data: Reply | None
    final: Reply | None
    phase: Phase
    end_of_data_sent: bool
    called_off: bool
    failure: SessionError | None
    timings: tuple[PhaseTiming, ...]
    octets_sent: int

    @property
    def accepted(self) -> bool:
        """Whether the relay took responsibility, for each accepted recipient."""
        taken = self.final is not None and self.final.positive
        return taken and not self.envelope_refused

    @property
    def in_doubt(self) -> bool:
        """Whether the relay may have taken the mail without our hearing of it.

        It can't have where it refused the envelope, or said 421 instead.
        """
        if not self.end_of_data_sent or self.final is not None:
            return False
        if self.failure is not None and self.failure.reply is not None:
            return False
        return not self.envelope_refused

    @property
    def envelope_refused(self) -> bool:
        """Whether the sender or every recipient was refused."""
        return envelope_refused(self.mail, self.rcpt)


def envelope_refused(mail: Reply | None, rcpt: Sequence[Reply | None]) -> bool:
    """Whether *mail*, or each of *rcpt*, is a refusal; an open reply is none."""
    if mail is not None and not mail.positive:
        return True
    if rcpt and (rcpt[0] is None or rcpt[0].positive):
        return False
    return all(reply is not None and not reply.positive for reply in rcpt)
