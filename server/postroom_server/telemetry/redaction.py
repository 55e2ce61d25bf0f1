"""What may stand in a log: plain values, made safe to show (threats D1 and D6).

- A secret is shown as stars, and an object as the name of its type: a message, ours
  or protobuf's, would show its bodies (`debug_redact` is ignored by `str`).
- Controls are escaped and texts have a greatest length, so one event is one line and
  nobody's words move a terminal's cursor.
- Addresses keep their domain and first letter where the operator wants them masked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

from postroom_server.domain.secret import Secret
from postroom_server.domain.text import printable

TEXT_LIMIT = 2048
TRACEBACK_LIMIT = 16 * 1024
_DEEPEST = 4
_MOST = 100
"""Nesting and length to which a value is shown."""

STARS = "***"
# One letter of the local part, the rest of it, and the @; quoted ones as well.
# It begins where a word begins and gives nothing back, or a long text without an
# address would be searched from each of its letters.
_WORD = r"[^\s@<>\"'(),:;=\[\]\\]"
_LOCAL_PART = re.compile(rf"(\"(?:[^\"\\]|\\.)*+\"|(?<!{_WORD}){_WORD}++)@(?=[\w\[])")

Event = MutableMapping[str, object]


@dataclass(frozen=True, slots=True)
class Redaction:
    """A structlog processor that leaves only what may be shown.

    Time, level, event and logger come first.  Message-IDs look like addresses and are
    not masked: they lead to nobody.
    """

    mask_addresses: bool = False

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        shown: Event = {name: None for name in _FIRST if name in event}
        for name, value in event.items():
            shown_name = name if name.isidentifier() else printable(name, TEXT_LIMIT)
            plain = type(value) in _PLAIN
            shown[shown_name] = value if plain else self._field(name, value)
        return shown

    def _field(self, name: str, value: object) -> object:
        if name == "exception" and isinstance(value, str):
            # What was raised stands at the end.
            lines = value[-TRACEBACK_LIMIT:].split("\n")
            return "\n".join(self._text(line) for line in lines)
        if name == "message_id" and isinstance(value, str):
            return printable(value, TEXT_LIMIT)
        if type(value) is str:
            return self._text(value)
        return self._shown(value, 0)

    def _shown(self, value: object, depth: int) -> object:
        match value:
            case Enum():
                return value.name
            case bool() | int() | None:
                return value
            case float():
                # JSON has no word for these.
                return value if math.isfinite(value) else str(value)
            case str() | bytes():
                return self._text(value)
            case PurePath():
                return self._text(str(value))
            case BaseException():
                return self._text(f"{type(value).__name__}: {value}")
            case Secret():
                return STARS
        return self._gathered(value, depth)

    def _gathered(self, value: object, depth: int) -> object:
        if depth < _DEEPEST and isinstance(value, Mapping):
            pairs = list(value.items())[:_MOST]
            return {self._text(str(k)): self._shown(v, depth + 1) for k, v in pairs}
        if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self._shown(v, depth + 1) for v in list(value)[:_MOST]]
        return f"<{type(value).__name__}>"

    def _text(self, raw: str | bytes) -> str:
        text = printable(raw, TEXT_LIMIT)
        return masked(text) if self.mask_addresses else text


_FIRST = ("timestamp", "level", "event", "logger")
_PLAIN = frozenset({bool, int, type(None)})
"""Types, and no others derived from them, whose values are shown as they are."""


def masked(text: str) -> str:
    """*text* with the local part of every address in it hidden but its first letter."""
    return _LOCAL_PART.sub(_mask, text) if "@" in text else text


def _mask(found: re.Match[str]) -> str:
    return f"{found[1].lstrip(chr(34))[:1]}{STARS}@"
