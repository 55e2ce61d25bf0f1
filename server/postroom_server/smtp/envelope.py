"""What is said before the content, and what must hold before anything is said.

All of it is known when the mail and the relay's extensions are, so a mail that this
relay can't take costs it nothing.
"""

from __future__ import annotations

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.octets import DamagedOctets
from postroom_server.smtp.commands import UnsafeCommand, mail, rcpt
from postroom_server.smtp.dsn import mail_parameters, rcpt_parameters
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.guard import UnsafeContent, check_content
from postroom_server.smtp.transaction import Transaction


def check_offer(asked: Transaction, extensions: Extensions) -> None:
    """Raise `SessionError` for a mail that the relay does not take, or that is unsafe.

    Unsafe is content that must never leave, whatever composed it.
    """
    if not extensions.takes(asked.size):
        detail = f"the relay takes at most {extensions.size_limit} octets"
        raise SessionError(Phase.MAIL, FailureReason.SIZE, detail)
    if asked.smtputf8 and not extensions.smtputf8:
        raise _unsupported(
            "the relay does not take UTF-8 addresses or headers (SMTPUTF8)"
        )
    if asked.eight_bit and not extensions.eight_bit_mime:
        raise _unsupported("the mail is 8-bit and the relay does not offer 8BITMIME")
    if asked.dsn is not None and asked.dsn.required and not extensions.dsn:
        raise _unsupported("the relay does not offer notifications (DSN)")
    try:
        check_content(asked.chunks, asked.size)
    except (UnsafeContent, DamagedOctets) as error:
        reason = FailureReason.INTERNAL
        raise SessionError(Phase.COMPOSE, reason, str(error)) from error


def envelope_lines(asked: Transaction, extensions: Extensions) -> list[bytes]:
    """MAIL, and RCPT for each recipient.  Raises `SessionError`."""
    parameters = []
    if extensions.size_limit is not None:
        parameters.append(f"SIZE={asked.size}")
    if asked.smtputf8:
        parameters.append("SMTPUTF8")
    if asked.smtputf8 or asked.eight_bit:
        parameters.append("BODY=8BITMIME")
    dsn = asked.dsn if extensions.dsn else None
    parameters += mail_parameters(dsn)
    try:
        lines = [mail(asked.reverse_path, *parameters, utf8=asked.smtputf8)]
        for address in asked.recipients:
            asking = rcpt_parameters(dsn, address)
            lines.append(rcpt(address, *asking, utf8=asked.smtputf8))
    except UnsafeCommand as error:
        reason = FailureReason.INTERNAL
        raise SessionError(Phase.MAIL, reason, str(error)) from error
    return lines


def _unsupported(detail: str) -> SessionError:
    return SessionError(Phase.MAIL, FailureReason.NOT_SUPPORTED, detail)
