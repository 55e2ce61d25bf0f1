"""Large octets in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from postroom_server.domain.clock import Clock, after
from postroom_server.domain.errors import BlobNotFound, QuotaExceeded
from postroom_server.domain.limits import MB
from postroom_server.domain.message import AnyMessage
from postroom_server.domain.octets import StoredOctets, TooManyOctets
from postroom_server.outbox.blobs import LEAST_COUNTED
from postroom_server.outbox.files import UNTOUCHED
from postroom_server.outbox.memory.state import MemoryState, Octets
from postroom_server.outbox.store import Arriving, Blob, BlobTerms


@dataclass(frozen=True, slots=True)
class MemoryBlobs:
    """The `Blobs` of an outbox in memory."""

    state: MemoryState
    clock: Clock
    terms: BlobTerms

    @contextmanager
    def receive(self, most: int) -> Iterator[Arrived]:
        """Octets to be written; see `Blobs.receive`."""
        yield Arrived(self, most)

    def admit(self, tenant: str, arriving: Arriving) -> None:
        """Refuse what is over the quota; see `Blobs.admit`."""
        with self.state.mutex:
            if self._blob(tenant, arriving.sha256) is None:
                self._check_quota(tenant, arriving.size)

    def keep(self, tenant: str, octets: StoredOctets) -> Blob:
        """Make *octets* a blob of *tenant*; see `Blobs.keep`."""
        with self.state.mutex:
            existed = self._blob(tenant, octets.sha256) is not None
            if not existed:
                self._check_quota(tenant, octets.size)
            expires_at = after(self.clock.now(), self.terms.retention)
            kept = Blob(tenant, octets, expires_at, existed)
            self.state.blobs[tenant, octets.sha256] = kept
            return kept

    def find(self, tenant: str, sha256: str) -> Blob | None:
        """The tenant's blob; see `Blobs.find`."""
        with self.state.mutex:
            found = self._blob(tenant, sha256)
            if found is None or not self._touch(found.octets):
                return None
            return Blob(tenant, found.octets, found.expires_at, existed=True)

    def sweep(self) -> int:
        """Remove what nothing refers to, an hour after it was last wanted."""
        with self.state.mutex:
            before = after(self.clock.now(), -UNTOUCHED)
            octets = self.state.octets
            unused = [
                sha256
                for sha256, found in octets.items()
                if found.touched_at < before and not self.state.refers_to(sha256)
            ]
            for sha256 in unused:
                del octets[sha256]
            return len(unused)

    def secure(self, tenant: str, message: AnyMessage) -> None:
        """Keep the octets of a mail that is accepted now, and move its blobs' ends.

        Raises `BlobNotFound`.
        """
        until = after(self.clock.now(), self.terms.retention)
        for octets in message.stored:
            if not self._touch(octets):
                raise BlobNotFound(f"blobs/{octets.sha256}")
        for octets in message.stored:
            blob = self._blob(tenant, octets.sha256)
            if blob is not None:
                moved = Blob(tenant, blob.octets, max(until, blob.expires_at))
                self.state.blobs[tenant, octets.sha256] = moved

    def store(self, data: bytes) -> StoredOctets:
        """Octets that came whole."""
        brought = StoredOctets.of(data)
        with self.state.mutex:
            self.state.octets[brought.sha256] = Octets(brought, self.clock.now())
        return brought

    def _blob(self, tenant: str, sha256: str) -> Blob | None:
        found = self.state.blobs.get((tenant, sha256))
        return found if found and found.expires_at > self.clock.now() else None

    def _touch(self, octets: StoredOctets) -> bool:
        found = self.state.octets.get(octets.sha256)
        if found is None or found.stored.size != octets.size:
            return False
        found.touched_at = self.clock.now()
        return True

    def _check_quota(self, tenant: str, size: int) -> None:
        kept = [self._blob(*key) for key in self.state.blobs if key[0] == tenant]
        sizes = [blob.octets.size for blob in kept if blob] + [size]
        if sum(max(LEAST_COUNTED, size) for size in sizes) > self.terms.quota:
            allowed = f"{self.terms.quota / MB:g} MB"
            raise QuotaExceeded(f"blobs may hold {allowed} together", "blobs")


class Arrived:
    """Octets on their way in; see `Arriving`."""

    def __init__(self, blobs: MemoryBlobs, most: int) -> None:
        self._blobs = blobs
        self._most = most
        self._data = bytearray()

    @property
    def size(self) -> int:
        """How many came."""
        return len(self._data)

    @property
    def sha256(self) -> str:
        """That of what came, hexadecimal."""
        return hashlib.sha256(self._data).hexdigest()

    def write(self, data: bytes) -> None:
        """Take the next octets.  Raises `TooManyOctets`."""
        if len(self._data) + len(data) > self._most:
            raise TooManyOctets(self._most)
        self._data += data

    def rest(self) -> None:
        """No more comes."""

    def peek(self) -> StoredOctets:
        """All that came, to be read."""
        return StoredOctets.of(bytes(self._data))

    def keep(self) -> StoredOctets:
        """All that came."""
        return self._blobs.store(bytes(self._data))
