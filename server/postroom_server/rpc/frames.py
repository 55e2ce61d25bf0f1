"""The order of frames in a client stream: one header, chunks, one end, nothing more.

Pure: it is told of each frame and refuses the first that is out of order, so that what
was half sent is never taken for the whole.  A caller that goes away in the middle just
stops; only an end with the right size says that all of it came.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

from postroom_server.domain.errors import (
    ChecksumMismatch,
    InvalidArgument,
    Problem,
    StreamProtocol,
)

SHA256_BYTES: Final = 32
Content = tuple[int, bytes]
"""A size in octets, and a SHA-256; empty: not told."""


class _Stage(Enum):
    BEGUN = "header"
    OPEN = "chunk or end"
    ENDED = "nothing more"


_FOLLOWS = {
    (_Stage.BEGUN, "header"): _Stage.OPEN,
    (_Stage.OPEN, "chunk"): _Stage.OPEN,
    (_Stage.OPEN, "end"): _Stage.ENDED,
}


class FrameOrder:
    """Whether the next frame may come now."""

    def __init__(self) -> None:
        self._stage = _Stage.BEGUN

    def take(self, kind: str | None) -> str:
        """A frame of *kind* came: "header", "chunk" or "end", None if it was empty.

        Raises `StreamProtocol` if another was due.
        """
        if kind is None:
            raise StreamProtocol("a frame holds nothing that is known here")
        following = _FOLLOWS.get((self._stage, kind))
        if following is None:
            text = f"a frame {kind!r} where {self._stage.value} was due"
            raise StreamProtocol(text)
        self._stage = following
        return kind

    def close(self) -> None:
        """The caller half-closed; raises `StreamProtocol` if that was too early."""
        if self._stage is not _Stage.ENDED:
            raise StreamProtocol(f"the stream ended where {self._stage.value} was due")


class PartOrder:
    """Which part the next chunk belongs to, of the *expected* "parts/{key}"."""

    def __init__(self, expected: frozenset[str]) -> None:
        self._missing = set(expected)
        self._expected = expected
        self._current = ""

    def take(self, part: str, size: int) -> bool:
        """A chunk of *size* octets that names *part*; whether it begins a part.

        Raises `StreamProtocol` for a part that nothing refers to, one that came
        before, a first chunk without a name, and a later one with nothing in it.
        """
        if part:
            self._begin(part)
            return True
        if not self._current:
            raise StreamProtocol("the first chunk names no part")
        if not size:
            raise StreamProtocol("a chunk holds nothing", part=self._current)
        return False

    def _begin(self, part: str) -> None:
        if part not in self._expected:
            raise StreamProtocol("nothing refers to a part that came", part=part)
        if part not in self._missing:
            raise StreamProtocol("a part came twice, or in two pieces", part=part)
        self._missing.discard(part)
        self._current = part

    def close(self) -> None:
        """All chunks came; raises `StreamProtocol` if a part is missing."""
        if self._missing:
            missing = min(self._missing)
            raise StreamProtocol(
                "a part that is referred to did not come", part=missing
            )


class ContentTally:
    """The size and SHA-256 of all chunks, in order."""

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """A chunk came."""
        self.size += len(data)
        self._sha256.update(data)

    @property
    def sha256(self) -> bytes:
        """The SHA-256 so far."""
        return self._sha256.digest()


def check_content(said: Content, came: Content, path: str = "end") -> None:
    """Compare what the caller *said* below *path* with what *came*.

    Nothing said of the SHA-256 is not compared.  Raises `ChecksumMismatch`, or
    `InvalidArgument` for a field below *path*.
    """
    (size, sha256), (came_size, came_sha256) = said, came
    check_sha256(sha256, f"{path}.sha256")
    if size != came_size:
        text = f"{path}.size_bytes says {size}, and {came_size} octets came"
        raise ChecksumMismatch(text)
    if sha256 and sha256 != came_sha256:
        text = f"the octets that came do not have the SHA-256 in {path}.sha256"
        raise ChecksumMismatch(text)


def check_sha256(sha256: bytes, path: str) -> None:
    """Raise `InvalidArgument` unless *sha256* is empty or could be one."""
    if len(sha256) not in {0, SHA256_BYTES}:
        raise InvalidArgument([Problem(path, f"must have {SHA256_BYTES} bytes")])
