"""Blobs: octets that a tenant uploaded once, for the mails of the next 24 hours.

The octets are a file (`files`), which an accepted mail refers to by itself; the blob is
a row that says whose it is and until when.  Another tenant's and an unknown one are not
told apart, also where the file is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from postroom_server.domain.clock import Clock, Instant, after
from postroom_server.domain.errors import BlobNotFound, QuotaExceeded
from postroom_server.domain.limits import MB
from postroom_server.domain.octets import StoredOctets
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.files import Files
from postroom_server.outbox.incoming import Incoming
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.statements import Connection, statement
from postroom_server.outbox.store import Arriving, Blob, BlobTerms
from postroom_server.outbox.work import Work

LEAST_COUNTED = 4096
"""Octets that a smaller blob counts as: its file takes a block and a name."""


@dataclass(frozen=True, slots=True)
class BlobRows(ABC):
    """What a store says of blobs, wherever their octets are.

    A subclass knows where: `octets` and `_touch`.
    """

    committer: Committer
    readers: Readers
    clock: Clock
    terms: BlobTerms

    def admit(self, tenant: str, arriving: Arriving) -> None:
        """Refuse what is over the quota; see `Blobs.admit`."""
        wanted = (tenant, arriving, self.clock.now())
        with self.readers.lend() as connection:
            _check_admission(connection, wanted, self.terms.quota)

    def keep(self, tenant: str, octets: StoredOctets) -> Blob:
        """Make *octets* a blob of *tenant*; see `Blobs.keep`."""
        now = self.clock.now()
        expires_at = after(now, self.terms.retention)
        wanted = Blob(tenant, octets, expires_at)
        existed = self.committer.run(self._keeping(wanted, now))
        return Blob(tenant, octets, expires_at, existed)

    def find(self, tenant: str, sha256: str) -> Blob | None:
        """The tenant's blob; see `Blobs.find`."""
        values = (tenant, sha256, self.clock.now())
        with self.readers.lend() as connection:
            rows = connection.execute(statement("blob"), values).fetchall()
        if not rows:
            return None
        ((size, expires_at),) = rows
        octets = self.octets(sha256, size)
        if not self._touch(octets):
            return None
        return Blob(tenant, octets, Instant(expires_at), existed=True)

    def secure(self, stored: Iterable[StoredOctets]) -> None:
        """Keep the octets of a mail that is about to be accepted for an hour.

        Raises `BlobNotFound` if some are gone: what is accepted can be sent.
        """
        for octets in stored:
            if not self._touch(octets):
                raise BlobNotFound(f"blobs/{octets.sha256}")

    @abstractmethod
    def octets(self, sha256: str, size: int) -> StoredOctets:
        """Those of that digest; they are there, or `DamagedOctets` when read."""

    @abstractmethod
    def _touch(self, octets: StoredOctets) -> bool:
        """Keep *octets* for an hour; False if they are gone."""

    def _keeping(self, wanted: Blob, now: Instant) -> KeepBlob:
        return KeepBlob(wanted, now, self.terms.quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteBlobs(BlobRows):
    """The `Blobs` of a store in a file, with *files* beside it."""

    files: Files

    def receive(self, most: int) -> AbstractContextManager[Incoming]:
        """A file to write; see `Blobs.receive`."""
        return self.files.receive(most)

    def octets(self, sha256: str, size: int) -> StoredOctets:
        """The file of that digest."""
        return self.files.find(sha256, size)

    def sweep(self) -> int:
        """Remove some of the files that nothing refers to; how many went."""
        return self.files.sweep(self._is_used)

    def _touch(self, octets: StoredOctets) -> bool:
        return self.files.touch(octets)

    def _is_used(self, sha256: str) -> bool:
        with self.readers.lend() as connection:
            values = {"sha256": sha256}
            return bool(connection.execute(statement("file_in_use"), values).fetchall())


class KeepBlob(Work[bool]):
    """Add a blob or move its end; whether it was there."""

    adds = True

    def __init__(self, blob: Blob, now: Instant, quota: int) -> None:
        super().__init__()
        self._blob = blob
        self._now = now
        self._quota = quota

    def perform(self, connection: Connection, /) -> bool:
        blob, octets = self._blob, self._blob.octets
        key = (blob.tenant, octets.sha256)
        known = connection.execute(statement("blob"), (*key, self._now)).fetchall()
        if not known:
            wanted = (blob.tenant, octets.size, self._now)
            _check_quota(connection, wanted, self._quota)
        row = (*key, octets.size, blob.expires_at)
        connection.execute(statement("put_blob"), row)
        return bool(known)


def _check_admission(
    connection: Connection, wanted: tuple[str, Arriving, Instant], quota: int
) -> None:
    """Raise `QuotaExceeded` if the tenant has it not and may not have it."""
    tenant, arriving, now = wanted
    known = (tenant, arriving.sha256, now)
    if not connection.execute(statement("blob"), known).fetchall():
        _check_quota(connection, (tenant, arriving.size, now), quota)


def _check_quota(
    connection: Connection, wanted: tuple[str, int, Instant], quota: int
) -> None:
    """Raise `QuotaExceeded` if the tenant may not have so many octets more."""
    tenant, size, now = wanted
    values = (LEAST_COUNTED, tenant, now)
    ((used,),) = connection.execute(statement("blob_octets"), values).fetchall()
    if used + max(LEAST_COUNTED, size) > quota:
        allowed = f"{quota / MB:g} MB"
        raise QuotaExceeded(f"blobs may hold {allowed} together", "blobs")
