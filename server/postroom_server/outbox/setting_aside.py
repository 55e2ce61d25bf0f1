"""Large octets that came within a request go into files, not into the content's row.

A row is written twice, page by page, by the one thread that commits; a file once, by
the caller's own.  Equal octets of one tenant are one file that is written once, as when
a leaflet goes to many.  What another tenant brought is written again: how long that
takes must not tell who else has it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from hashlib import sha256
from typing import Protocol

from postroom_server.domain.familiar import FEWEST, Familiar
from postroom_server.domain.message import Octets, with_octets
from postroom_server.domain.octets import StoredOctets
from postroom_server.outbox.files import Files
from postroom_server.outbox.store import Content

LARGE = FEWEST
"""Octets from which on a part is a file: fewer cost less as pages than as a file."""
REMEMBERED = 4096
"""How many files are known to be a tenant's own; one more costs a write."""


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


class InFiles:
    """They become *files*; thread-safe."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._own: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()
        files.on_damage = self._forget

    def content(self, tenant: str, content: Content) -> Content:
        """See `Aside.content`."""

        def kept(octets: Octets) -> Octets:
            if isinstance(octets, StoredOctets) or len(octets) < LARGE:
                return octets
            return self._kept(tenant, octets)

        message = with_octets(content.message, kept)
        same = message is content.message
        return content if same else replace(content, message=message)

    def _kept(self, tenant: str, data: bytes) -> Octets:
        digest = _digest(data)
        octets = self._files.find(digest, len(data))
        if self._is_own(tenant, digest) and self._files.touch(octets):
            return octets
        octets = self._files.put(data, digest)
        self._remember(tenant, digest)
        return octets

    def _is_own(self, tenant: str, digest: str) -> bool:
        with self._lock:
            return (tenant, digest) in self._own

    def _remember(self, tenant: str, digest: str) -> None:
        with self._lock:
            self._own[tenant, digest] = None
            if len(self._own) > REMEMBERED:
                self._own.popitem(last=False)

    def _forget(self, digest: str) -> None:
        """A file is damaged: who brings its octets again has it written anew."""
        with self._lock:
            for key in [key for key in self._own if key[1] == digest]:
                del self._own[key]


def _digest(data: bytes) -> str:
    """Their SHA-256, taken once of what comes again and again."""
    if not isinstance(data, Familiar):
        return sha256(data).hexdigest()
    data.sha256 = data.sha256 or sha256(data).hexdigest()
    return data.sha256
