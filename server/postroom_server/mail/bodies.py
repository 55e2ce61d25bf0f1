"""Transfer encodings: how text and files become 7-bit lines (RFC 2045 §6).

Text goes as it is where it is ASCII in lines of at most 998 octets without controls,
and no line begins with "From " (mbox files would change it).  Other text goes as
quoted-printable where that is short and readable, else as base64; files always as
base64, except for mail within mail.  Line ends of text become CRLF.  What is stored in
a file is large: its text goes as base64 too, and all of it block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct

import pybase64

from postroom_server.domain.familiar import Familiar
from postroom_server.domain.lines import has_long_lines
from postroom_server.domain.octets import StoredOctets, StoredText, crlf
from postroom_server.domain.values import value
from postroom_server.mail.pieces import Blocks, Piece
from postroom_server.mail.quoted import has_from, quoted_printable

_MAX_ENCODED = 76
_OCTETS_PER_LINE = 57
_LINES_PER_BLOCK = 512
_BLOCK = _OCTETS_PER_LINE * _LINES_PER_BLOCK
"""Octets that are encoded at once; with what becomes of them they stay within the
processor's cache."""
_LINES = Struct(f"{_MAX_ENCODED}s" * _LINES_PER_BLOCK + "0s")
"""The lines of a block, and an empty one, so that all of them are ended."""

_READABLE = 64 * 1024
"""Octets of text that somebody may want to read as it is sent; beyond, base64: it is
twenty times as fast."""
_CONTROLS = tuple(octet for octet in (*range(32), 127) if octet not in b"\t\r\n")


@value(frozen=True, slots=True)
class Body:
    """Encoded octets, and the name of their encoding."""

    encoding: str
    pieces: tuple[Piece, ...]

    @property
    def is_verbatim(self) -> bool:
        """Whether its lines may be anything, a boundary's included."""
        return self.encoding == "7bit"


def text_body(text: str | StoredText) -> Body:
    """*text* in the encoding that suits it."""
    if isinstance(text, StoredText):
        return Body("base64", (_encoded(text.wire_size, text.lines),))
    raw = text.encode()
    foreign = len(raw) - len(text)
    lines = crlf(raw)
    if not foreign and _is_sendable(lines):
        return Body("7bit", (lines,))
    # The octets beyond one a character tell how much is not ASCII, without counting.
    # At a tenth, quoted-printable is about as long as base64.
    if len(lines) <= _READABLE and foreign * 10 <= len(lines):
        readable = quoted_printable(lines)
        if readable is not None:
            return Body("quoted-printable", (readable,))
    return Body("base64", tuple(base64_lines(lines)))


def file_body(data: bytes | StoredOctets, *, verbatim: bool) -> Body:
    """*data* as base64, or as it is where it must stay so."""
    if isinstance(data, StoredOctets):
        if verbatim:
            return Body("7bit", (Blocks(data.size, data.blocks),))
        return Body("base64", (_encoded(data.size, data.blocks),))
    if verbatim:
        return Body("7bit", (data,))
    if isinstance(data, Familiar):
        return Body("base64", (_base64_once(data),))
    return Body("base64", tuple(base64_lines(data)))


def base64_lines(data: bytes | memoryview) -> Iterator[bytes]:
    """*data* in base64, in blocks of whole lines that end in CRLF."""
    view = memoryview(data)
    whole = len(data) // _BLOCK * _BLOCK
    for start in range(0, whole, _BLOCK):
        # To encode all at once and then cut takes a third of encoding line by line.
        encoded = pybase64.b64encode(view[start : start + _BLOCK])
        yield b"\r\n".join(_LINES.unpack(encoded))
    if whole < len(data):
        yield pybase64.encodebytes(view[whole:]).replace(b"\n", b"\r\n")


def _base64_once(data: Familiar) -> bytes:
    """The lines of what comes again and again, made once."""
    encoded = data.base64
    if encoded is None:
        encoded = data.base64 = Familiar(b"".join(base64_lines(data)))
    return encoded


def _encoded(size: int, read: Callable[[], Iterator[bytes]]) -> Blocks:
    """What *read* gives, *size* octets, in base64."""
    rest = -(-(size % _OCTETS_PER_LINE) // 3) * 4
    lines = size // _OCTETS_PER_LINE
    encoded = lines * (_MAX_ENCODED + 2) + (rest and rest + 2)
    return Blocks(encoded, lambda: _base64_of(read()))


def _base64_of(blocks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        whole = held + block if held else block
        # A line must not end before the last one does.
        cut = len(whole) // _BLOCK * _BLOCK
        held = whole[cut:]
        yield from base64_lines(memoryview(whole)[:cut])
    yield from base64_lines(held)


def _is_sendable(raw: bytes) -> bool:
    return not _has_controls(raw) and not has_long_lines(raw) and not has_from(raw)


def _has_controls(raw: bytes) -> bool:
    # Thirty searches for an octet each: a tenth of what one look at each octet costs.
    return any(map(raw.__contains__, _CONTROLS))
