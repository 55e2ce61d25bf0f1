"""Who a header of somebody else's mail names (RFC 5322 §3.4), told in one way only.

Permission to send in a name rests on this: what readers could take for another address
is refused, although some of it is within the letter of the RFC.  That is comments,
groups, routes, and encoded words that hide an address from readers who parse before
they decode, or show one to those who decode before they parse (RFC 2047 §6.2 forbids
the latter).
"""

from __future__ import annotations

import re

from postroom_server.domain.address import Address, AddressProblem, parse_address
from postroom_server.domain.raw_header import UnreadableHeader, readable

MOST_CHARACTERS = 4096
"""Of a header that is read for addresses."""

# None of these gives back what it took: a hostile header costs one look at each octet.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]++"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_SPACE = r"[ \t]*+"
_ADDRESS = rf"(?:{_ATOM}|{_QUOTED})@[A-Za-z0-9.\x80-\U0010ffff-]++"
_WORDS = rf"(?:(?:{_ATOM}|{_QUOTED}){_SPACE})*+"
_MAILBOX = re.compile(
    rf"{_SPACE}(?:{_WORDS}<(?P<named>{_ADDRESS})>|(?P<bare>{_ADDRESS})){_SPACE}"
)
# RFC 2047 §2: at most 75 octets in all.  Base64 that ends before its word does is
# read to its end by some, and further by others.
_ENCODED_WORD = re.compile(
    r"=\?[^? \t]{1,60}\?(?:[qQ]\?[^? \t]{0,66}|[bB]\?[A-Za-z0-9+/]{0,66}+={0,2}+)\?="
)
# What is left of a word that can't be decoded, or makes an address of what it is in.
_HIDDEN = re.compile(r"=\?|[@<>]")
_NO_LIST = "is no list of mailboxes without comments and groups."


def mailboxes(value: str) -> tuple[Address, ...]:
    """The addresses of a mailbox list; raises `UnreadableHeader`.

    The message of that goes on from "Its From header …".
    """
    if len(value) > MOST_CHARACTERS:
        raise UnreadableHeader(f"is longer than {MOST_CHARACTERS:,} characters.")
    _refuse_hidden(value)
    found: list[Address] = []
    start = 0
    while True:
        mailbox = _MAILBOX.match(value, start)
        if mailbox is None:
            raise UnreadableHeader(_NO_LIST)
        found.append(_address(mailbox["named"] or mailbox["bare"]))
        if mailbox.end() == len(value):
            return tuple(found)
        if value[mailbox.end()] != ",":
            raise UnreadableHeader(_NO_LIST)
        start = mailbox.end() + 1


def _refuse_hidden(value: str) -> None:
    """Refuse encoded words that change what is an address."""
    if "=?" not in value:
        return
    shown = readable(" ".join(_ENCODED_WORD.findall(value)))
    if "=?" in _ENCODED_WORD.sub("", value) or _HIDDEN.search(shown):
        told = 'has an encoded word that is damaged, or holds "@", "<" or ">".'
        raise UnreadableHeader(told)


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressProblem as problem:
        raise UnreadableHeader(f"names no address: {problem}") from None
