"""Quoted-printable: text that people can read as it is sent (RFC 2045 §6.7).

The octets are those of `binascii.b2a_qp`, at a fraction of its cost: octet after octet
it looks at each, and here only those lines cost something that need it.  Mail that
waits was composed by both, so what they write must stay the same.
"""

from __future__ import annotations

import re

from postroom_server.mail.words import LINE as MAX_LINE

_PLAIN = bytes(range(32, 127)) + b"\t\r\n"
_ESCAPES = {
    octet: (bytes((octet,)), b"=%02X" % octet)
    for octet in range(256)
    if octet not in _PLAIN
}
_WHOLE = MAX_LINE - 1
"""Octets of a line that needs no soft break, which takes one itself."""
_PIECE = re.compile(rb".{1,%d}(?<!=)(?<!=.)" % _WHOLE)
"""As much of a line as fits before a soft break; an escape stays in one piece."""
_LAST = {b" ": b"=20", b"\t": b"=09"}
"""White space that ends a line; relays may drop it."""


def quoted_printable(text: bytes) -> bytes | None:
    """*text*, without NUL, and in lines that end in CRLF, as quoted-printable.

    None where a line would be too long: of those that end in white space some are.
    No line begins with "From ", which mbox files would change, and a lone dot of the
    text is escaped.
    """
    lines = [_line(line) for line in _escaped(text).split(b"\r\n")]
    readable = _without_from(b"\r\n".join(lines))
    if max(map(len, readable.split(b"\r\n"))) > MAX_LINE:
        return None
    return readable


def has_from(lines: bytes) -> bool:
    """Whether one of *lines* begins with "From ", as the next mail of an mbox does."""
    # One letter is sought thirty times as fast as six, and many texts lack it.
    return b"F" in lines and (lines.startswith(b"From ") or b"\nFrom " in lines)


def _escaped(text: bytes) -> bytes:
    # Before the others, whose escapes have one.
    text = text.replace(b"=", b"=3D")
    for octet in set(text.translate(None, _PLAIN)):
        text = text.replace(*_ESCAPES[octet])
    return text


def _line(line: bytes) -> bytes:
    if line == b".":
        return b"=2E"
    last = _LAST.get(line[-1:])
    if len(line) > _WHOLE:
        line = b"=\r\n".join(_PIECE.findall(line))
    return line if last is None else line[:-1] + last


def _without_from(lines: bytes) -> bytes:
    while has_from(lines):
        # Broken after the word, or the line might grow too long.
        lines = (b"\n" + lines).replace(b"\nFrom ", b"\n=46rom =\r\n")[1:]
    return lines
