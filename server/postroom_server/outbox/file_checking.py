"""Whether a store in a file is sound, while it is served or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from postroom_server.outbox.beside import beside
from postroom_server.outbox.checking import Finding, HasOctets, findings
from postroom_server.outbox.incoming import Place, files_beside

MOST_TOLD = 100
"""Damaged places of a file."""


def check_file(path: Path) -> list[Finding]:
    """What is wrong in the store at *path*; nothing of it is changed.

    Raises `StoreUnusableError` where there is nothing that could be checked.
    """
    place = Place(files_beside(path))
    with beside(path) as connection:
        damage = list(_damage(connection))
        # What a damaged file says of its rows is not worth telling.
        return damage or list(findings(connection, _has_octets(place)))


def _damage(connection: sqlite3.Connection) -> Iterator[Finding]:
    query = f"PRAGMA integrity_check({MOST_TOLD})"
    for (said,) in connection.execute(query).fetchall():
        if said != "ok":
            yield Finding("place of the file is damaged", 1, str(said))


def _has_octets(place: Place) -> HasOctets:
    def has(sha256: str, size: int) -> bool:
        try:
            found = place.of(sha256).stat().st_size
        except OSError:
            return False
        return found == size or not size

    return has
