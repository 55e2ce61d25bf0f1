"""Mailboxes as people write them, read strictly.

One string is one mailbox (RFC 5322 §3.4): an addr-spec alone, or a display name and
the addr-spec in angle brackets.  A name with special characters has to be quoted:
"Lovelace, Ada <ada@example.com>" might be two.  Whether the addr-spec itself is valid
is for the service to say.
"""

from __future__ import annotations

import re

from postroom.messages import AddressLike, Mailbox

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ADDR_SPEC = rf'(?:{_QUOTED}|[^\s"<>,;])+'
_BARE = re.compile(_ADDR_SPEC)
_NAMED = re.compile(
    rf'(?P<name>{_QUOTED}|[^"<>()\[\]:;@\\,]*)\s*<(?P<address>{_ADDR_SPEC})>'
)
_ESCAPED = re.compile(r"\\(.)")


def read_mailbox(given: AddressLike) -> Mailbox:
    """*given* as a mailbox.

    Raises `ValueError`, whose text says what to do, if it isn't exactly one.
    """
    if isinstance(given, Mailbox):
        return given
    text = given.strip(" \t")
    if _BARE.fullmatch(text):
        return Mailbox(text)
    found = _NAMED.fullmatch(text)
    if not found:
        raise ValueError(_advice(text))
    return Mailbox(found["address"], _unquoted(found["name"].strip()))


def _unquoted(name: str) -> str:
    if not name.startswith('"'):
        return name
    return _ESCAPED.sub(r"\1", name[1:-1])


def _advice(text: str) -> str:
    if not text:
        return "is empty"
    if _NAMED.search(text):
        return (
            "is not one mailbox: put a name with special characters in double quotes,"
            " and give several mailboxes as a list"
        )
    if "," in text or ";" in text:
        return "is not one mailbox: give several as a list"
    return "is not a mailbox such as ada@example.com or Ada <ada@example.com>"
