"""A relay's octets in, its replies out; no I/O (RFC 5321 §4.2).

The grammar is strict, because whatever is forgiven here pairs a reply with the wrong
command: lines end CRLF, each starts with the same code, and nothing is unbounded.
After a breach the reader stays broken and the connection is of no more use.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_LINE = 4096
"""Octets with CRLF.  RFC 5321 §4.5.3.1.5 says 512; relays that say more exist."""
MAX_LINES = 128
MAX_REPLY = 64 * 1024
"""Lines and octets of one reply: an endless ``250-`` must end (threat C6)."""

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_WHOLE = re.compile(rb"([2-5][0-9]{2})(?: ([^\r\n]{0,500}))?")
"""A reply of one line, as most are."""
_SHORT = 64
"""Octets of a line that is looked up instead of read: relays repeat themselves."""


class ProtocolError(Exception):
    """The relay broke the rules of SMTP; the message says how, in our words."""


class RawReply(NamedTuple):
    """A reply as it came: the code, and each line's text after the separator."""

    code: int
    lines: tuple[bytes, ...]


class ReplyReader:
    """Collects octets, however they are split, and gives whole replies in order."""

    def __init__(self) -> None:
        self._unread = b""
        self._code = b""
        self._lines: list[bytes] = []
        self._octets = 0
        self._breach: ProtocolError | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing lies unread, not even a part of a line."""
        return not self._unread and not self._lines and self._breach is None

    def feed(self, octets: bytes) -> None:
        """Take what the relay sent; nothing is judged yet."""
        self._unread += octets

    def next_reply(self) -> RawReply | None:
        """The next reply, or None until all of it is there.

        Raises `ProtocolError`, and goes on raising it.
        """
        if self._breach is not None:
            raise self._breach
        unread = self._unread
        if not unread:
            return None
        if not self._lines:
            line, ended, rest = unread.partition(b"\r\n")
            if ended and (reply := _reply_in(line)) is not None:
                self._unread = rest
                return reply
        try:
            return self._assemble()
        except ProtocolError as breach:
            self._breach = breach
            raise

    def _assemble(self) -> RawReply | None:
        while (line := self._next_line()) is not None:
            if self._take(line):
                reply = RawReply(int(self._code), tuple(self._lines))
                self._code, self._lines, self._octets = b"", [], 0
                return reply
        return None

    def _next_line(self) -> bytes | None:
        end = self._unread.find(b"\n", 0, MAX_LINE)
        if end < 0:
            if len(self._unread) >= MAX_LINE:
                raise ProtocolError(f"a reply line of more than {MAX_LINE} octets")
            return None
        line, self._unread = self._unread[: end + 1], self._unread[end + 1 :]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise ProtocolError("a reply line that does not end CRLF")
        return line[:-2]

    def _take(self, line: bytes) -> bool:
        """Add *line* to the reply; whether it was the last one."""
        found = _LINE.fullmatch(line)
        if found is None:
            raise ProtocolError("a line that is no reply")
        code, separator, text = found.groups(b"")
        if self._lines and code != self._code:
            raise ProtocolError("different codes in one reply")
        self._code = code
        self._lines.append(text)
        self._octets += len(line) + 2
        if len(self._lines) > MAX_LINES or self._octets > MAX_REPLY:
            raise ProtocolError("a reply without end")
        return separator != b"-"


def _reply_in(line: bytes) -> RawReply | None:
    """The reply that is all of *line*, or None: then it needs a closer look."""
    return _short(line) if len(line) <= _SHORT else _read(line)


def _read(line: bytes) -> RawReply | None:
    found = _WHOLE.fullmatch(line)
    return RawReply(int(found[1]), (found[2] or b"",)) if found else None


_short = lru_cache(maxsize=256)(_read)
