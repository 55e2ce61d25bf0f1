"""Stored octets in a test's words."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from postroom_server.domain.message import Attachment
from postroom_server.domain.octets import StoredOctets
from postroom_server.outbox.files import SHARDS, SHARDS_AT_ONCE, UNTOUCHED
from postroom_server.outbox.store import Blob, Blobs, Content

from tests.support.builders import a_content, an_attachment

DATA = b"many octets"


def bring(blobs: Blobs, data: bytes = DATA) -> StoredOctets:
    """*data* in a file."""
    with blobs.receive(len(data)) as arriving:
        arriving.write(data)
        return arriving.keep()


def upload(blobs: Blobs, tenant: str = "default", data: bytes = DATA) -> Blob:
    """*data* as a blob of *tenant*."""
    return blobs.keep(tenant, bring(blobs, data))


def with_file(octets: StoredOctets, *to: str, **fields: Any) -> Content:
    """A content that refers to *octets*."""
    file: Attachment = an_attachment(octets)  # type: ignore[arg-type]
    return a_content(*to, attachments=(file,), **fields)


def stored_files(store: Path) -> list[Path]:
    """The files beside the *store*."""
    folder = store.with_name(f"{store.name}.files")
    return [path for path in folder.rglob("*") if path.is_file()]


def age(store: Path, seconds: float = UNTOUCHED + 60) -> None:
    """As if no file had been touched for so long."""
    then = time.time() - seconds
    for path in stored_files(store):
        os.utime(path, (then, then))


def sweep_all(blobs: Blobs) -> int:
    """As many sweeps as look at every file."""
    return sum(blobs.sweep() for _ in range(SHARDS // SHARDS_AT_ONCE))
