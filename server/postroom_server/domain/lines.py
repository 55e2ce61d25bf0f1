"""Whether octets are lines of mail: CRLF alone ends them, at most 998 octets, no NUL.

RFC 5322 §2.1.1 and §2.3.  Octets come in blocks of any size; nothing is kept of them
but the line that is not at its end yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import IncrementalNewlineDecoder
from typing import Self

MAX_LINE = 998
"""Octets of a line without its CRLF."""


class LineScan:
    """What was found in the octets fed so far; `end` judges the last line."""

    def __init__(self) -> None:
        self.is_ascii = True
        self.has_nul = False
        self.has_bare_ends = False
        self.has_long_lines = False
        self.ends_in_crlf = True
        self._open = b""

    @classmethod
    def of(cls, blocks: Iterable[bytes]) -> Self:
        """All that is found in *blocks*."""
        scan = cls()
        for block in blocks:
            scan.feed(block)
        scan.end()
        return scan

    @property
    def are_lines(self) -> bool:
        """Whether they are lines, 8-bit or not; the last one may lack its end."""
        return not (self.has_nul or self.has_bare_ends or self.has_long_lines)

    def feed(self, block: bytes) -> None:
        """Look at the next octets."""
        self.has_nul = self.has_nul or b"\0" in block
        self.is_ascii = self.is_ascii and block.isascii()
        whole = self._open + block
        end = whole.rfind(b"\r\n") + 2 if b"\r\n" in whole else 0
        self._look_at(whole[:end])
        self._open = whole[end:]
        if len(self._open) > MAX_LINE + 1:
            # One more octet may be the CR of its end.
            self.has_long_lines = True
            self._look_at_ends(self._open[:-1])
            self._open = self._open[-1:]

    def end(self) -> None:
        """There is no more."""
        self._look_at_ends(self._open)
        self.has_long_lines = self.has_long_lines or len(self._open) > MAX_LINE
        self.ends_in_crlf = not self._open

    def _look_at(self, lines: bytes) -> None:
        self._look_at_ends(lines)
        self.has_long_lines = self.has_long_lines or has_long_lines(lines)

    def _look_at_ends(self, lines: bytes) -> None:
        self.has_bare_ends = self.has_bare_ends or not are_paired(lines)


def are_paired(raw: bytes | bytearray) -> bool:
    """Whether each CR in *raw* stands before an LF, and each LF behind a CR."""
    # It notes which line ends it meets: one pass, where to count them takes three.
    ends = IncrementalNewlineDecoder(None, translate=False)
    ends.decode(raw.decode("latin-1"), final=True)
    return ends.newlines is None or ends.newlines == "\r\n"


def has_long_lines(raw: bytes) -> bool:
    """Whether a line is too long; jumps from line end to line end, as far as it may."""
    start, end = 0, len(raw)
    while end - start > MAX_LINE:
        line_end = raw.rfind(b"\r\n", start, start + MAX_LINE + 2)
        if line_end < 0:
            return True
        start = line_end + 2
    return False
