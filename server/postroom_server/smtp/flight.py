"""Content cut into writes, with the last one told apart.

The last write holds the end of data: it is the point of no return, and whoever ordered
the mail is asked before it.  Large content is never copied together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCK = 512 * 1024
"""Octets of one write, which must be gone within the block time-out.  Each costs a look
at what the relay says; half as large they took 4 % more of a mail of 1 MB."""

Block = tuple[list[bytes | memoryview], bool]


def blocks(pieces: Iterable[bytes]) -> Iterator[Block]:
    """*pieces* as writes of at most `BLOCK` octets; the last one is marked."""
    block: list[bytes | memoryview] = []
    room = BLOCK
    for piece in pieces:
        if len(piece) <= room:
            block.append(piece)
            room -= len(piece)
            continue
        view = memoryview(piece)
        while view:
            if not room:
                yield block, False
                block, room = [], BLOCK
            part, view = view[:room], view[room:]
            block.append(part)
            room -= len(part)
    yield block, True
