"""Whose name a caller may send in: From, Sender and envelope sender (threat D14).

Judged are addresses that were parsed, never what a caller wrote (threat B1), and
exactly: a domain stands for itself and not for those below it, one that only looks
alike is another, and a local part is its owner's to compare (RFC 5321 §2.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postroom_server.domain.address import Address, AddressProblem, parse_address
from postroom_server.domain.draft import MessageDraft, RawDraft
from postroom_server.domain.errors import SenderNotAllowed
from postroom_server.domain.message import RawMessage
from postroom_server.domain.principal import ANY_SENDER
from postroom_server.domain.validation import ValidMessage

_ANYBODY = f"{ANY_SENDER}@"


def sender_pattern(text: str) -> str:
    """*text* as patterns are compared: "*", "*@domain" or an address.

    The domain becomes its A-label.  Raises `AddressProblem` for anything else.
    """
    if text == ANY_SENDER:
        return text
    if text.startswith(_ANYBODY):
        return _ANYBODY + parse_address(f"x@{text.removeprefix(_ANYBODY)}").domain
    if text.startswith(ANY_SENDER):
        raise AddressProblem('A pattern is "*", "*@domain" or a whole address.')
    return parse_address(text).wire


def check_senders(allowed: Iterable[str], addresses: Iterable[Address | None]) -> None:
    """Raise `SenderNotAllowed` unless each of *addresses* meets a pattern.

    *allowed* are results of `sender_pattern`; None, the null reverse path, is nobody's
    name and always allowed.
    """
    patterns = frozenset(allowed)
    if ANY_SENDER in patterns:
        return
    for address in addresses:
        if address is None or address.wire in patterns:
            continue
        if f"{_ANYBODY}{address.domain}" not in patterns:
            raise SenderNotAllowed(
                "this credential may not send in that name", sender=address.wire
            )


def named_senders(
    valid: ValidMessage, draft: MessageDraft | RawDraft
) -> Iterator[Address | None]:
    """Whose name *valid* is sent in.

    An envelope sender that the relay's configuration gave is the operator's choice.
    """
    message = valid.message
    if isinstance(message, RawMessage):
        yield from message.authors
    else:
        yield message.from_mailbox.address
        if message.sender is not None:
            yield message.sender.address
    if draft.envelope_from:
        yield valid.envelope_from
