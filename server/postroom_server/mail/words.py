"""Encoded words: how a header holds text that is not plain ASCII (RFC 2047).

Invariants: no word is longer than 75 characters, no line with one longer than 76, and
no character is split between two words.  White space between two encoded words is
not shown, so a folded text reads exactly as it was.
"""

from __future__ import annotations

import pybase64

FOLD = "\r\n "
LINE = 76
"""Characters of a line that holds encoded words (RFC 2047 §2)."""

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
        return _word(raw)
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


def _word(raw: bytes) -> str:
    return f"{_OPENING}{pybase64.b64encode_as_string(raw)}{_CLOSING}"
