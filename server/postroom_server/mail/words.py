"""Encoded words: how a header holds text that is not plain ASCII (RFC 2047).

Invariants: no word is longer than 75 characters, no line with one longer than 76, and
no character is split between two words.  White space between two encoded words is
not shown, so a folded text reads exactly as it was.
"""

from __future__ import annotations

import re

import pybase64

FOLD = "\r\n "
LINE = 76
"""Characters of a line that holds encoded words (RFC 2047 §2)."""
# RFC 2047 §5: all but what may stand in a word, wherever that stands.  A space is "_".
_ESCAPED = re.compile(rb"[^A-Za-z0-9!*+/ -]")
_OPENING, _CLOSING = "=?utf-8?B?", "?="
_FRAME = len(_OPENING) + len(_CLOSING)
_OCTETS = (LINE - 1 - _FRAME) // 4 * 3  # in a word on a line of its own
_FEWEST = 4
"""Octets that must fit to begin on the line of the field's name: any character."""


def encoded_words(text: str, column: int) -> str:
    """*text* as encoded words, the first on a line that has *column* characters."""
    raw = text.encode()
    octets = (LINE - column - _FRAME) // 4 * 3
    if octets >= len(raw):
        # The form that people can read too, where it is no longer.
        return min(_readable(raw), _word(raw), key=len)
    words = []
    if octets < _FEWEST:
        words.append("")
        octets = _OCTETS
    start = 0
    while start < len(raw):
        end = _character_end(raw, start + octets)
        words.append(_word(raw[start:end]))
        start, octets = end, _OCTETS
    return FOLD.join(words)


def _character_end(raw: bytes, end: int) -> int:
    while end < len(raw) and raw[end] & 0xC0 == 0x80:  # a continuation octet
        end -= 1
    return end


def _readable(raw: bytes) -> str:
    escaped = _ESCAPED.sub(lambda found: b"=%02X" % found[0][0], raw)
    return f"=?utf-8?q?{escaped.replace(b' ', b'_').decode()}?="


def _word(raw: bytes) -> str:
    return f"{_OPENING}{pybase64.b64encode_as_string(raw)}{_CLOSING}"
