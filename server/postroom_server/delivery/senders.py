"""Whose name a caller may send in: authors and envelope sender (threat D14).

Judged are addresses that were parsed, never what a caller wrote (threat B1), and
exactly: a domain stands for itself and not for those below it, one that only looks
alike is another, and a local part is its owner's to compare (RFC 5321 §2.4).

It is judged when a mail is accepted, and again when a caller asks that it go on: that
may be another one, with other names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from postroom_server.domain.address import Address, AddressProblem, parse_address
from postroom_server.domain.draft import MessageDraft, RawDraft
from postroom_server.domain.errors import SenderNotAllowed
from postroom_server.domain.message import AnyMessage, RawMessage
from postroom_server.domain.principal import ANY_SENDER
from postroom_server.domain.validation import ValidMessage
from postroom_server.outbox.store import Outbox

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


def authors(message: AnyMessage) -> Iterator[Address]:
    """Who wrote and who sent *message*, as its header says."""
    if isinstance(message, RawMessage):
        yield from message.authors
    else:
        yield message.from_mailbox.address
        if message.sender is not None:
            yield message.sender.address


def check_going_on(allowed: Collection[str], delivery_id: str, outbox: Outbox) -> None:
    """Raise `SenderNotAllowed` unless a stored mail may go on for who asks.

    Its envelope sender may be the operator's choice, and is not looked at.
    """
    # Most may do anything, and a mail is long.
    if ANY_SENDER in allowed:
        return
    content = outbox.content(delivery_id)
    if content is not None:
        check_senders(allowed, authors(content.message))


def named_senders(
    valid: ValidMessage, draft: MessageDraft | RawDraft
) -> Iterator[Address | None]:
    """Whose name *valid* is sent in.

    An envelope sender that the relay's configuration gave is the operator's choice.
    """
    yield from authors(valid.message)
    if draft.envelope_from:
        yield valid.envelope_from
