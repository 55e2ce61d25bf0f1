"""What a relay said: code, enhanced code and text (RFC 5321 §4.2, RFC 3463)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field
from functools import lru_cache

from postroom_server.domain.attempt import Phase
from postroom_server.domain.text import printable
from postroom_server.domain.values import value

TEXT_LIMIT = 512
# RFC 2034 §4: class.subject.detail, then a space or the end of the line.
_SHORT = 64
"""Octets of a line that is looked up instead of read: relays repeat themselves."""
_ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?= |$)")


@value(frozen=True, slots=True)
class Reply:
    """One reply, its text already made safe to show.

    *enhanced_code* is empty where the relay gave none, or one whose class is not
    that of the code (RFC 2034 §4 forbids such a reply).  *phase* is the step that it
    answers.
    """

    code: int
    enhanced_code: str
    text: str
    phase: Phase
    positive: bool = field(init=False, repr=False, compare=False)
    """Whether it says yes, or yes so far (2yz, 3yz)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", 200 <= self.code < 400)

    @classmethod
    def of(cls, code: int, lines: Sequence[bytes], phase: Phase) -> Reply:
        """The reply whose *lines* (after code and separator) the relay sent."""
        if len(lines) == 1 and len(lines[0]) <= _SHORT:
            return _short(code, lines[0], phase)
        return cls._read(code, lines, phase)

    @classmethod
    def _read(cls, code: int, lines: Sequence[bytes], phase: Phase) -> Reply:
        enhanced, texts = "", []
        for line in lines:
            found = _ENHANCED.match(line)
            if found and int(found[1]) == code // 100:
                enhanced = enhanced or found[0].decode()
                line = line[found.end() :]  # noqa: PLW2901  the code is not text
            texts.append(line.strip())
        text = printable(b" ".join(filter(None, texts)), TEXT_LIMIT)
        return cls(code, enhanced, text, phase)

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced_code, self.text)))


@lru_cache(maxsize=256)
def _short(code: int, line: bytes, phase: Phase) -> Reply:
    return Reply._read(code, [line], phase)  # noqa: SLF001  the same class
