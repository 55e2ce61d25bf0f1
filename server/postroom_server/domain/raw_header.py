"""Reading the header of a mail that somebody else composed, strictly (RFC 5322 §2.2).

What two readers could understand in two ways is refused: it is from this header that
we tell who sends the mail, and it is passed on as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header

from postroom_server.domain.validation_text import is_line

END = b"\r\n\r\n"
"""What ends a header, the end of its last field included."""
_FIELD = re.compile(rb"([!-9;-~]+):((?:[^\r\n]++|\r\n(?=[ \t]))*+)\r\n")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANK_LINE = re.compile(rb"\r\n[ \t]+\r\n")
_MOST_DECODED = 4096
"""Characters of a value in which encoded words are looked for: that is not linear."""


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
    """*value* with its encoded words decoded (RFC 2047), as far as that goes.

    What would then hold line ends, controls or half characters is left as it is.
    """
    value = value[:_MOST_DECODED]
    try:
        decoded = str(make_header(decode_header(value)))
    except (LookupError, ValueError, MessageError):
        return value
    return decoded if is_line(decoded) else value


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UnreadableHeader("Its header is neither ASCII nor UTF-8.") from None
    if not is_line(text):
        # Some readers end a line at VT, FF, U+0085 or U+2028.
        raise UnreadableHeader("Its header holds control characters.")
    return text.strip(" \t")
