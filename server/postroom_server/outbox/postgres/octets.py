"""Large octets in the database, cut into pieces, for every process of a fleet.

They are written beside their name first and get it when they are whole; the same octets
are kept once.  What nothing refers to goes in `sweep`, an hour after it was last
brought or looked up.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from postroom_server.domain.clock import Instant
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.octets import BLOCK, StoredOctets, TooManyOctets
from postroom_server.outbox.blobs import BlobRows, KeepBlob
from postroom_server.outbox.incoming import file_errors
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.statements import Connection
from postroom_server.outbox.store import Arriving, Blob

IN_MEMORY = 4 * BLOCK
"""Octets on their way in; what has more goes into a temporary file."""
SWEPT = 200
"""How many unused ones one sweep removes."""


@dataclass(frozen=True, slots=True)
class PostgresBlobs(BlobRows):
    """The `Blobs` of a fleet."""

    @contextmanager
    def receive(self, most: int) -> Iterator[Arriving]:
        """A place beside the database until all has come; see `Blobs.receive`."""
        with file_errors(), tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            yield Arrived(cast("IO[bytes]", file), most, self._store)

    def octets(self, sha256: str, size: int) -> StoredOctets:
        """Those of that digest; they are there, or `DamagedOctets` when read."""
        return StoredOctets(sha256, size, lambda: _opened(self.readers, sha256))

    def sweep(self) -> int:
        """Remove some that nothing refers to; how many went."""
        with self.readers.lend() as connection:
            link = cast("Link", connection)
            return len(link.run("sweep_octets", (SWEPT,)).fetchall())

    def _touch(self, octets: StoredOctets) -> bool:
        with self.readers.lend() as connection:
            link = cast("Link", connection)
            return link.run("touch_octets", (octets.sha256, octets.size)).rowcount > 0

    def _keeping(self, wanted: Blob, now: Instant) -> KeepBlob:
        return _KeepAlone(wanted, now, self.terms.quota)

    def _store(self, file: IO[bytes], sha256: str, size: int) -> StoredOctets:
        octets = self.octets(sha256, size)
        if self._touch(octets):
            return octets
        with self.readers.lend() as connection:
            link = cast("Link", connection)
            with link.transaction():
                # Whoever brings the same at the same time waits here for the other.
                if link.run("add_octets", (sha256, size)).rowcount:
                    file.seek(0)
                    pieces = iter(lambda: file.read(BLOCK), b"")
                    for number, piece in enumerate(pieces):
                        link.run("add_piece", (sha256, number, piece))
        return octets


class Arrived:
    """Octets on their way into the database; see `Arriving`."""

    def __init__(
        self,
        file: IO[bytes],
        most: int,
        store: Callable[[IO[bytes], str, int], StoredOctets],
    ) -> None:
        self.size = 0
        self._file = file
        self._most = most
        self._store = store
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """That of what came so far, hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Take the next octets.  Raises `TooManyOctets`, `StoreFull`, `NotReady`."""
        self.size += len(data)
        if self.size > self._most:
            raise TooManyOctets(self._most)
        self._digest.update(data)
        with file_errors():
            self._file.write(data)

    def rest(self) -> None:
        """No more comes; nothing is held that others wait for."""

    def peek(self) -> StoredOctets:
        """All that came, to be read as long as it is neither kept nor discarded."""
        return StoredOctets(
            self.sha256, self.size, lambda: cast("BinaryIO", _Peeked(self._file))
        )

    def keep(self) -> StoredOctets:
        """All that came, durably.  Raises `StoreFull` or `NotReady`."""
        return self._store(self._file, self.sha256, self.size)


class _KeepAlone(KeepBlob):
    """Two processes must not share what is left of a quota."""

    def __init__(self, blob: Blob, now: Instant, quota: int) -> None:
        super().__init__(blob, now, quota)
        self.locks = f"blobs {blob.tenant}"

    def perform(self, connection: Connection, /) -> bool:
        cast("Link", connection).run("quota_alone", (self._blob.tenant,))
        return super().perform(connection)


class _Peeked(io.RawIOBase):
    """A file that others read too, in the same thread: each has a place of its own."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        self._file.seek(self._at)
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Pieces(io.RawIOBase):
    """Stored octets, read piece by piece; a connection is lent for each alone."""

    def __init__(self, readers: Readers, sha256: str) -> None:
        super().__init__()
        self._readers = readers
        self._sha256 = sha256
        self._number = 0
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if not self._held:
            self._held = self._next()
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count

    def _next(self) -> bytes:
        try:
            with self._readers.lend() as connection:
                values = (self._sha256, self._number)
                row = cast("Link", connection).run("piece", values).fetchone()
        except PostroomError as error:
            raise OSError("the store is away") from error
        self._number += 1
        return bytes(row[0]) if row else b""


def _opened(readers: Readers, sha256: str) -> BinaryIO:
    # Read in full blocks: less than asked for would count as damaged at the end only.
    return cast("BinaryIO", io.BufferedReader(_Pieces(readers, sha256), BLOCK))
