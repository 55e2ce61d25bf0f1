"""What a mail is put together from: octets at hand, and octets made when they leave.

A large part is read and encoded anew each time the mail is gone through, block by
block; its size is known before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blocks:
    """*size* octets that *make* gives in blocks, the same each time."""

    size: int
    make: Callable[[], Iterator[bytes]]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return self.make()


Piece = bytes | Blocks


@dataclass(frozen=True, slots=True)
class Chunks:
    """*pieces* as chunks of octets; may be gone through more than once."""

    pieces: tuple[Piece, ...]

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece


def chunks_of(pieces: Iterable[Piece]) -> Iterable[bytes]:
    """*pieces* as chunks: themselves where all of them are at hand."""
    every = tuple(pieces)
    at_hand = tuple([piece for piece in every if isinstance(piece, bytes)])
    return at_hand if len(at_hand) == len(every) else Chunks(every)
