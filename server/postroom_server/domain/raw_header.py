"""Reading the header of a mail that somebody else composed, strictly (RFC 5322 §2.2).

What two readers could understand in two ways is refused: it is from this header that
we tell who sends the mail, and it is passed on as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.header import decode_header, make_header

from postroom_server.domain.address import Address, AddressProblem, parse_address

END = b"\r\n\r\n"
"""What ends a header, the end of its last field included."""
_FIELD = re.compile(rb"([!-9;-~]+):((?:[^\r\n]|\r\n(?=[ \t]))*)\r\n")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANK_LINE = re.compile(rb"\r\n[ \t]+\r\n")


class UnreadableHeader(ValueError):
    """Why a header can't be relied on, as one sentence."""


@dataclass(frozen=True, slots=True)
class RawHeader:
    """The fields of a header, unfolded, in order, with names in lower case.

    *size* counts its octets without the empty line that ends it.
    """

    fields: tuple[tuple[str, str], ...]
    size: int
    is_ascii: bool

    def all(self, name: str) -> tuple[str, ...]:
        """The values of the field *name*."""
        return tuple(value for known, value in self.fields if known == name)


def parse_header(raw: bytes) -> RawHeader:
    """The header that *raw* is, its last CRLF included; raises `UnreadableHeader`."""
    if _BLANK_LINE.search(raw):
        raise UnreadableHeader("A line of its header holds white space alone.")
    fields = []
    start = 0
    while start < len(raw):
        found = _FIELD.match(raw, start)
        if found is None:
            raise UnreadableHeader('A line of its header is no "Name: value".')
        fields.append((found[1].decode().lower(), _text(_FOLD.sub(b"", found[2]))))
        start = found.end()
    return RawHeader(tuple(fields), len(raw), raw.isascii())


def readable(value: str) -> str:
    """*value* with its encoded words decoded (RFC 2047), as far as that goes."""
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def _text(raw: bytes) -> str:
    try:
        return raw.decode().strip(" \t")
    except UnicodeDecodeError:
        raise UnreadableHeader("Its header is neither ASCII nor UTF-8.") from None


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SPACE = r"[ \t]*"
_ADDRESS = rf"(?:{_ATOM}|{_QUOTED})@[A-Za-z0-9.\x80-\U0010ffff-]+"
_WORDS = rf"(?:(?:{_ATOM}|{_QUOTED}){_SPACE})*"
_MAILBOX = re.compile(
    rf"{_SPACE}(?:{_WORDS}<(?P<named>{_ADDRESS})>|(?P<bare>{_ADDRESS})){_SPACE}"
)


def mailboxes(value: str) -> tuple[Address, ...]:
    """The addresses of a mailbox list (RFC 5322 §3.4).

    Raises `UnreadableHeader` for comments, groups and routes, too: readers differ in
    what they make of them.
    """
    found = []
    start = 0
    while True:
        mailbox = _MAILBOX.match(value, start)
        if mailbox is None:
            raise UnreadableHeader("is no list of mailboxes")
        found.append(_address(mailbox["named"] or mailbox["bare"]))
        if mailbox.end() == len(value):
            return tuple(found)
        if value[mailbox.end()] != ",":
            raise UnreadableHeader("is no list of mailboxes")
        start = mailbox.end() + 1


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressProblem as problem:
        raise UnreadableHeader(str(problem)) from None
