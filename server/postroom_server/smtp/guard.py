r"""The last look at content before it leaves: CRLF lines and no NUL (threat A1).

Composing already promises this.  It is proved again here because a bare CR or LF lets
some relays see a second mail in the first (SMTP smuggling), and because the number of
octets is what BDAT announces.
"""

from __future__ import annotations

from collections.abc import Iterable

_PIECE = 1024 * 1024
_LONG = 4096


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


def _regular(chunk: bytes, *, split: bool) -> bool:
    """Whether CR and LF come as pairs, but for one split from a neighbour."""
    if b"\0" in chunk:
        return False
    rest = chunk[1:] if split else chunk
    if rest.endswith(b"\r"):
        rest = rest[:-1]
    if len(rest) > _LONG and _all_lines_alike(rest):
        return True
    pairs = rest.count(b"\r\n")
    return pairs == rest.count(b"\r") == rest.count(b"\n")


def _all_lines_alike(chunk: bytes) -> bool:
    """Whether all lines are as long as the first and end CRLF; the last may differ.

    So is base64, and striding over line ends is ten times faster than counting them.
    """
    stride = chunk.find(b"\r\n") + 2
    if stride < 2:
        return False
    step = max(stride, _PIECE // stride * stride)
    view = memoryview(chunk)
    whole = len(chunk) // stride * stride
    tail = bytes(view[whole:])
    return tail.count(b"\r\n") == tail.count(b"\r") == tail.count(b"\n") and all(
        _grid(bytearray(view[start : min(start + step, whole)]), stride)
        for start in range(0, whole, step)
    )


def _grid(piece: bytearray, stride: int) -> bool:
    lines = len(piece) // stride
    cr, lf = slice(stride - 2, None, stride), slice(stride - 1, None, stride)
    if piece[cr] != b"\r" * lines or piece[lf] != b"\n" * lines:
        return False
    piece[cr] = piece[lf] = b"." * lines
    return b"\r" not in piece and b"\n" not in piece
