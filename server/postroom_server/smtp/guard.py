r"""The last look at content before it leaves: CRLF lines and no NUL (threat A1).

Composing already promises this.  It is proved again here because a bare CR or LF lets
some relays see a second mail in the first (SMTP smuggling), and because the number of
octets is what BDAT announces.
"""

from __future__ import annotations

from collections.abc import Iterable

from postroom_server.domain.familiar import Familiar
from postroom_server.domain.lines import are_paired

_WINDOW = 40 * 1024
"""Octets looked at together: a block of base64 as it is composed, and little more."""
_LONG = 16 * 1024
"""Octets from which on it is worth a look whether the lines are evenly long."""


class UnsafeContent(ValueError):
    """The content must not leave; the message says why."""


def check_content(chunks: Iterable[bytes], size: int) -> None:
    """Raise `UnsafeContent` unless *chunks* are *size* octets of CRLF lines."""
    total, ending = 0, b"\r\n"
    for chunk in chunks:
        if not chunk:
            continue
        split = ending.endswith(b"\r")
        if split != (chunk[0] == _LF) or not _regular(chunk, split=split):
            raise UnsafeContent("a bare CR or LF, or a NUL, in the content")
        total += len(chunk)
        ending = (ending + chunk[-2:])[-2:]
    if ending != b"\r\n":
        raise UnsafeContent("content that does not end CRLF")
    if total != size:
        raise UnsafeContent(f"content of {total} octets, announced as {size}")


_LF = ord("\n")
# A number is looked for at once; for octets, Python first asks whether they are one.
_NUL = 0


def _regular(chunk: bytes, *, split: bool) -> bool:
    """Whether CR and LF come as pairs, but for one split from a neighbour."""
    if not isinstance(chunk, Familiar) or split:
        return _looks_regular(chunk, split=split)
    # The very octets that were looked at before; nobody can change them.
    chunk.has_paired_lines = chunk.has_paired_lines or _looks_regular(
        chunk, split=False
    )
    return chunk.has_paired_lines


def _looks_regular(chunk: bytes, *, split: bool) -> bool:
    if _NUL in chunk:
        return False
    if len(chunk) <= _LONG and not (split or chunk.endswith(b"\r")):
        return are_paired(chunk)
    start = 1 if split else 0
    stop = max(start, len(chunk) - chunk.endswith(b"\r"))
    view = memoryview(chunk)
    while start < stop:
        end = stop
        if stop - start > _WINDOW:
            line_end = chunk.rfind(b"\r\n", start, start + _WINDOW)
            end = stop if line_end < 0 else line_end + 2
        if not _paired(bytearray(view[start:end])):
            return False
        start = end
    return True


def _paired(window: bytearray) -> bool:
    if len(window) > _LONG:
        _blank_equal_lines(window)
        if b"\r" not in window and b"\n" not in window:
            return True
    return are_paired(window)


def _blank_equal_lines(window: bytearray) -> None:
    """Blank out all line ends if they are evenly spaced, as in base64.

    Striding over them is ten times faster than counting; what is left is judged as
    it would have been without.
    """
    stride = window.find(b"\r\n") + 2
    if stride < 2 or len(window) % stride:
        return
    lines = len(window) // stride
    cr, lf = slice(stride - 2, None, stride), slice(stride - 1, None, stride)
    if window[cr] == b"\r" * lines and window[lf] == b"\n" * lines:
        window[cr] = window[lf] = b"." * lines
