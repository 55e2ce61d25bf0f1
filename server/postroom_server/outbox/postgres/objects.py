"""Large octets of a fleet in an object store: S3, GCS, Azure, or a shared folder.

The database knows which there are, and the object has their digest for a name.  It is
whole and durable before the row is there, so what a row tells of can be read.  What
nothing refers to goes while its row is locked: who brings the same then waits, and puts
the object anew.  If only the object went, because that was broken off, the row counts
for nothing: nobody uses it without a look at the object.  An object whose row was
never stored, because the process died in between, stays until the same octets come
again.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from postroom_server.domain.errors import NotReady
from postroom_server.domain.octets import BLOCK, StoredOctets
from postroom_server.outbox.errors import StoreUnusableError
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.octets import PostgresBlobs

SWEPT = 20
"""How many unused objects one sweep removes; their rows are locked meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectBlobs(PostgresBlobs):
    """The `Blobs` of a fleet whose octets are in *objects*."""

    objects: ObjectStore

    def octets(self, sha256: str, size: int) -> StoredOctets:
        """Those of that digest; they are there, or `DamagedOctets` when read."""
        return StoredOctets(sha256, size, lambda: opened(self.objects, sha256))

    def sweep(self) -> int:
        """Remove some that nothing refers to; how many went."""
        with self.readers.lend() as connection, object_errors():
            link = cast("Link", connection)
            with link.transaction():
                unused = link.run("unused_octets", (SWEPT,)).fetchall()
                for (sha256,) in unused:
                    with suppress(FileNotFoundError):
                        obstore.delete(self.objects, name_of(sha256))
                    link.run("drop_octets", (sha256,))
        return len(unused)

    def _touch(self, octets: StoredOctets) -> bool:
        # A sweep that was broken off leaves the row of an object that is gone.
        kept = super(ObjectBlobs, self)._touch(octets)
        return kept and has_object(self.objects, octets.sha256, octets.size)

    def _store(self, file: IO[bytes], sha256: str, size: int) -> StoredOctets:
        octets = self.octets(sha256, size)
        if self._touch(octets):
            return octets
        file.seek(0)
        with object_errors():
            obstore.put(self.objects, name_of(sha256), cast("BinaryIO", file))
        with self.readers.lend() as connection:
            cast("Link", connection).run("add_octets", (sha256, size))
        return octets


def object_store(url: str) -> ObjectStore:
    """The object store at *url*; its credentials are in the environment.

    Raises `StoreUnusableError`.
    """
    try:
        return from_url(url)
    except (BaseError, OSError, ValueError) as error:
        # Its words may show the whole of the address.
        raise StoreUnusableError("store.objects_url can't be used") from error


def has_object(objects: ObjectStore, sha256: str, size: int) -> bool:
    """Whether octets of that digest are there, of that size (0: of any)."""
    with object_errors():
        try:
            found = obstore.head(objects, name_of(sha256))["size"]
        except FileNotFoundError:
            return False
    return found == size or not size


def name_of(sha256: str) -> str:
    """The name of the object with that digest."""
    return f"{sha256[:2]}/{sha256}"


def opened(objects: ObjectStore, sha256: str) -> BinaryIO:
    """The octets of that digest, to be read.  Raises `OSError`."""
    return cast("BinaryIO", io.BufferedReader(_Object(objects, sha256), BLOCK))


@contextmanager
def object_errors() -> Iterator[None]:
    """Let no exception of an object store out."""
    try:
        yield
    except BaseError as error:
        raise NotReady("the object store is away") from error


class _Object(io.RawIOBase):
    """An object, read in large ranges."""

    def __init__(self, objects: ObjectStore, sha256: str) -> None:
        super().__init__()
        try:
            self._reader = obstore.open_reader(objects, name_of(sha256))
        except BaseError as error:
            raise OSError("the object store is away") from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        try:
            data = bytes(self._reader.read(len(buffer)))
        except BaseError as error:
            raise OSError("the object store is away") from error
        buffer[: len(data)] = data
        return len(data)
