"""Octets that are kept in a file and not in memory: large bodies, files, raw mail.

They are read block by block, each time from the start, and their SHA-256 is checked
again with each whole reading: what changed while it was stored raises `DamagedOctets`
before the last block is given, so that nobody takes it for whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from postroom_server.domain.limits import MB
from postroom_server.domain.lines import are_paired

BLOCK = 256 * 1024
"""Octets that are read at once, where the reader does not say."""

Opener = Callable[[], AbstractContextManager[BinaryIO]]
OnDamage = Callable[[str], object]
"""Hears the digest of what is damaged, or gone."""


class DamagedOctets(Exception):
    """What was stored under *sha256* is gone, or not what it was."""

    def __init__(self, message: str, sha256: str) -> None:
        super().__init__(message)
        self.sha256 = sha256


class TooManyOctets(ValueError):
    """More came than is allowed; *most* says how much that is."""

    def __init__(self, most: int) -> None:
        super().__init__(f"larger than {most / MB:g} MB")
        self.most = most


@dataclass(frozen=True, slots=True)
class StoredOctets:
    """*size* octets with that *sha256* (hexadecimal); equal where their octets are.

    *on_damage* hears the digest where a reading raises `DamagedOctets`.
    """

    sha256: str
    size: int
    open: Opener = field(compare=False, repr=False)
    on_damage: OnDamage | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, data: bytes) -> StoredOctets:
        """*data*, for what is small after all."""
        return cls(hashlib.sha256(data).hexdigest(), len(data), lambda: BytesIO(data))

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """The octets in blocks of *size*, the last one shorter.

        Raises `DamagedOctets`.
        """
        digest = hashlib.sha256()
        left = self.size
        try:
            with self.open() as file:
                while left > 0:
                    block = file.read(min(size, left))
                    left -= len(block)
                    digest.update(block)
                    if not block or (not left and not self._is(digest.hexdigest())):
                        raise self._damaged("stored octets are not what they were")
                    yield block
        except OSError as error:
            raise self._damaged("stored octets can't be read") from error

    def _damaged(self, how: str) -> DamagedOctets:
        if self.on_damage is not None:
            self.on_damage(self.sha256)
        return DamagedOctets(how, self.sha256)

    def _is(self, sha256: str) -> bool:
        return sha256 == self.sha256


def blocks_of(octets: bytes | StoredOctets) -> Iterator[bytes]:
    """*octets*, in memory or stored, in blocks."""
    if isinstance(octets, StoredOctets):
        return octets.blocks()
    return (octets[at : at + BLOCK] for at in range(0, len(octets), BLOCK))


def size_of(octets: bytes | StoredOctets) -> int:
    """How many *octets* are, in memory or stored."""
    return octets.size if isinstance(octets, StoredOctets) else len(octets)


@dataclass(frozen=True, slots=True)
class StoredText:
    """A body in a file: UTF-8 without NUL.

    *wire_size* is how many octets it has when all its lines end in CRLF.
    """

    octets: StoredOctets
    wire_size: int

    def lines(self) -> Iterator[bytes]:
        """The octets with CRLF line ends, in blocks."""
        return with_crlf(self.octets.blocks())

    def beginning(self, size: int) -> str:
        """The text of the first *size* octets; a character cut there is left out.

        Raises `DamagedOctets`.
        """
        return next(self.octets.blocks(size), b"").decode("utf-8", "ignore")


def with_crlf(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """*blocks* with each CR, LF or CRLF as CRLF, also where a block ends between."""
    held = b""
    for block in blocks:
        whole = held + block
        # Whether a CR at the end stands alone is known with the next block.
        held = b"\r" if whole.endswith(b"\r") else b""
        yield crlf(whole[: len(whole) - len(held)])
    if held:
        yield b"\r\n"


def crlf(raw: bytes) -> bytes:
    """*raw* with each CR, LF or CRLF as CRLF."""
    if b"\r" in raw:
        if are_paired(raw):
            return raw
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw.replace(b"\n", b"\r\n")


Contents = Mapping[str, StoredOctets]
"""What the names of blobs and parts ("blobs/…", "parts/…") stand for."""

YET_TO_COME = StoredOctets.of(b"x")
"""Stands for octets that follow, where all the rest is checked before they do."""
