"""Large octets that came within a request go into files, not into the content's row.

A row is written twice, page by page, by the one thread that commits; a file once, by
the caller's own.  Equal octets of one tenant are one file that is written once, as when
a leaflet goes to many.  What another tenant brought is written again: how long that
takes must not tell who else has it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from operator import is_
from typing import Protocol

from postroom_server.domain.limits import MB
from postroom_server.domain.message import RawMessage
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.values import value
from postroom_server.outbox.files import Files
from postroom_server.outbox.store import Content

LARGE = 256 * 1024
"""Octets from which on a part is a file: fewer cost less as pages than as a file."""
REMEMBERED = 4096
"""How many files are known to be a tenant's own; one more costs a write."""
HELD = 4 * MB
"""Octets of the last file that are held at most, so that it is known when it comes
again: to compare takes a tenth of hashing."""

Octets = bytes | StoredOctets


class Aside(Protocol):
    """Where large octets of a mail are kept."""

    def content(self, tenant: str, content: Content) -> Content:
        """*content*, with its large octets kept durably.

        Waits for the disk, and raises `StoreFull` or `NotReady`.
        """


class InRow:
    """They stay where they are."""

    def content(self, _tenant: str, content: Content) -> Content:
        return content


@value(frozen=True, slots=True)
class _Hashed:
    """Octets of a tenant, and their SHA-256."""

    tenant: str
    data: bytes
    digest: str


class InFiles:
    """They become *files*; thread-safe."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._own: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()
        self._last = _Hashed("", b"", "")

    def content(self, tenant: str, content: Content) -> Content:
        """See `Aside.content`."""

        def kept(octets: Octets) -> Octets:
            if isinstance(octets, StoredOctets) or len(octets) < LARGE:
                return octets
            return self._kept(tenant, octets)

        return _with_octets(content, kept)

    def _kept(self, tenant: str, data: bytes) -> Octets:
        digest = self._digest(tenant, data)
        octets = self._files.find(digest, len(data))
        if self._is_own(tenant, digest) and self._files.touch(octets):
            return octets
        octets = self._files.put(data, digest)
        self._remember(tenant, digest)
        return octets

    def _digest(self, tenant: str, data: bytes) -> str:
        last = self._last
        # Another tenant's is not looked at, as how long that takes would tell of it.
        if last.tenant == tenant and last.data == data:
            return last.digest
        digest = sha256(data).hexdigest()
        if len(data) <= HELD:
            self._last = _Hashed(tenant, data, digest)
        return digest

    def _is_own(self, tenant: str, digest: str) -> bool:
        with self._lock:
            return (tenant, digest) in self._own

    def _remember(self, tenant: str, digest: str) -> None:
        with self._lock:
            self._own[tenant, digest] = None
            if len(self._own) > REMEMBERED:
                self._own.popitem(last=False)


def _with_octets(content: Content, kept: Callable[[Octets], Octets]) -> Content:
    """*content* with what *kept* gives for its files, or for all of a raw mail."""
    message = content.message
    if isinstance(message, RawMessage):
        mime = kept(message.mime)
        same = mime is message.mime
        return (
            content if same else replace(content, message=replace(message, mime=mime))
        )
    files = tuple(
        a if (data := kept(a.data)) is a.data else replace(a, data=data)
        for a in message.attachments
    )
    if all(map(is_, files, message.attachments)):
        return content
    return replace(content, message=replace(message, attachments=files))
