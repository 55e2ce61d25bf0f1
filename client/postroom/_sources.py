"""Where contents come from: bytes, text, files and readers, read as often as needed.

A source tells its size before it is read.  It gives exactly so many bytes each time,
from its beginning, in pieces of which all but the last hold `PIECE` bytes or, for text
that is not ASCII, as many characters as always fit; what was written to a file
meanwhile stays out, and one that is shorter by then has changed.  A reader that can't
go back is copied to a temporary file first.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from postroom.messages import Reader

PIECE = 65_536
"""As the contract advises: larger ones make others wait."""
_LONGEST_CHARACTER = 4


class ContentChanged(Exception):
    """It is not what it was at first."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Source:
    """*size* bytes, which *pieces* gives from the beginning; *close* ends its use."""

    size: int
    pieces: Callable[[], Iterator[bytes]]
    close: Callable[[], None] = _nothing

    def whole(self) -> bytes:
        """All of it at once."""
        return b"".join(self.pieces())

    def digest(self) -> bytes:
        """The SHA-256 of all of it."""
        found = sha256()
        for piece in self.pieces():
            found.update(piece)
        return found.digest()


def source_of(content: object) -> Source:
    """The source of a `Content`.

    Raises `OSError` for a file that can't be read, and `TypeError` for what is no
    content, a `str` too: it might be text, or the name of a file.
    """
    match content:
        case bytes() | bytearray() | memoryview():
            octets = memoryview(content).cast("B")
            return Source(octets.nbytes, partial(_slices, octets))
        case os.PathLike():
            return _file(content)
        case Reader():
            return _reader(content)
    kind = type(content).__name__
    raise TypeError(f"give bytes, a Path or a binary file, not {kind}")


def text_source(text: str) -> Source:
    """The source of *text* in UTF-8.

    Raises `UnicodeEncodeError` for half a surrogate pair.
    """
    if text.isascii():
        return Source(len(text), partial(_encoded, text, PIECE))
    pieces = partial(_encoded, text, PIECE // _LONGEST_CHARACTER)
    return Source(sum(map(len, pieces())), pieces)


def _slices(octets: memoryview) -> Iterator[bytes]:
    for begin in range(0, octets.nbytes, PIECE):
        yield bytes(octets[begin : begin + PIECE])


def _encoded(text: str, step: int) -> Iterator[bytes]:
    for begin in range(0, len(text), step):
        yield text[begin : begin + step].encode()


def _file(path: os.PathLike[str]) -> Source:
    with open(path, "rb") as file:  # noqa: PTH123  any PathLike
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            # A pipe can be read but once.
            return _spooled(file)
    return Source(status.st_size, partial(_from_file, path, status.st_size))


def _from_file(path: os.PathLike[str], size: int) -> Iterator[bytes]:
    with open(path, "rb") as file:  # noqa: PTH123  any PathLike
        for begin in range(0, size, PIECE):
            yield _exactly(file, min(PIECE, size - begin))


def _reader(file: Reader) -> Source:
    seekable = getattr(file, "seekable", None)
    if seekable and seekable():
        return _rewinding(cast(BinaryIO, file))
    return _spooled(file)


def _spooled(file: Reader) -> Source:
    with ExitStack() as undone:
        copy = undone.enter_context(TemporaryFile())
        shutil.copyfileobj(file, copy, PIECE)
        copy.seek(0)
        return _rewinding(copy, undone.pop_all().close)


def _rewinding(file: BinaryIO, close: Callable[[], None] = _nothing) -> Source:
    """From where *file* stands to its end."""
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    # An attempt given up may still read while the next one begins.
    lock = threading.Lock()

    def pieces() -> Iterator[bytes]:
        for begin in range(0, size, PIECE):
            with lock:
                file.seek(start + begin)
                piece = _exactly(file, min(PIECE, size - begin))
            yield piece

    def leave() -> None:
        # Where it stood: the same mail may be sent twice.
        with suppress(ValueError, OSError):
            file.seek(start)
        close()

    return Source(size, pieces, leave)


def _exactly(file: Reader, size: int) -> bytes:
    """The next *size* bytes; an unbuffered file may give them by and by."""
    found = file.read(size)
    if not isinstance(found, bytes):
        raise TypeError("a file with content has to be opened in binary mode")
    while len(found) < size:
        more = file.read(size - len(found))
        if not more:
            raise ContentChanged
        found += more
    return found
