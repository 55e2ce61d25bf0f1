"""Mailboxes and lists of them, as headers show them (RFC 5322 §3.4).

A domain is shown as its A-label.  A non-ASCII local part is written as it is in the
form for SMTPUTF8; elsewhere the mailbox becomes an empty group whose name holds the
display name and the address (RFC 6857 §3.1), which anybody can read and nobody can
reply to by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from postroom_server.domain.message import Mailbox
from postroom_server.mail.fields import is_plain
from postroom_server.mail.words import FOLD, LINE, encoded_words

# RFC 5322 §3.2.5: words that need no quotes.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_PHRASE = re.compile(rf"{_ATEXT}+(?: {_ATEXT}+)*")
_QUOTED_NAME = 60
"""Characters of a name that we still quote; a longer one is encoded, as words fold."""


def mailbox_list(name: str, mailboxes: Sequence[Mailbox], *, utf8: bool) -> str:
    """The body of field *name* that lists *mailboxes*, one or more, folded between."""
    column = len(name) + 2
    first = _mailbox(mailboxes[0], column, utf8=utf8)
    if len(mailboxes) == 1:
        return first
    parts = [first]
    column += len(first) - (first.rfind(FOLD) + 1)
    for mailbox in mailboxes[1:]:
        shown = _mailbox(mailbox, 1, utf8=utf8)
        fits = column + 2 + len(shown) < LINE  # never where it is folded
        parts.append(", " if fits else "," + FOLD)
        parts.append(shown)
        column = column + 2 if fits else 1
        column += len(shown) - (shown.rfind(FOLD) + 1)
    return "".join(parts)


def _mailbox(mailbox: Mailbox, column: int, *, utf8: bool) -> str:
    address = mailbox.address
    if address.needs_smtputf8 and not utf8:
        name = f"{mailbox.name} {address.wire}" if mailbox.name else address.wire
        return _beside(encoded_words(name, column), ":;", column)
    if not mailbox.name:
        return address.shown
    return _beside(_display_name(mailbox.name, column), f"<{address.shown}>", column)


def _beside(name: str, rest: str, column: int) -> str:
    """*name* and *rest* on one line where a comma still fits, else on two."""
    _, fold, last = name.rpartition(FOLD)
    width = len(last) + (1 if fold else column)
    gap = " " if width + 1 + len(rest) < LINE else FOLD
    return f"{name}{gap}{rest}"


def _display_name(name: str, column: int) -> str:
    if not is_plain(name) or len(name) > _QUOTED_NAME:
        return encoded_words(name, column)
    if _PHRASE.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
