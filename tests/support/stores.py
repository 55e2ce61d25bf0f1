"""The stores that keep the contract, each with what a test does behind its back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.transitions import Change
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.memory.store import MemoryOutbox
from postroom_server.outbox.sqlite import SqliteOutbox, SqliteSettings
from postroom_server.outbox.store import BlobTerms

from tests.support.blobs import age, stored_files
from tests.support.postgres import postgres

_TERMS = BlobTerms()


class Store(Protocol):
    """A store of one test, which may be opened again and again."""

    def open(self, clock: Clock, told: list[Change], terms: BlobTerms = _TERMS) -> Any:
        """Its outbox; *told* gets the changes that were stored."""

    def octets_kept(self) -> int:
        """How many large octets it has."""

    def lose_octets(self) -> None:
        """They are gone."""

    def cut_octets(self) -> None:
        """They are shorter than they were."""

    def age_octets(self) -> None:
        """As if nobody had wanted them for more than an hour."""


class MemoryStore:
    """In memory; what outlives its outbox is the state."""

    def __init__(self, _folder: Path) -> None:
        self._state = MemoryState()

    def open(
        self, clock: Clock, told: list[Change], terms: BlobTerms = _TERMS
    ) -> MemoryOutbox:
        return MemoryOutbox(self._state, clock, told.append, terms)

    def octets_kept(self) -> int:
        return len(self._state.octets)

    def lose_octets(self) -> None:
        for octets in self._state.octets.values():
            object.__setattr__(octets.stored, "open", _nothing)
        self._state.octets.clear()

    def cut_octets(self) -> None:
        for octets in self._state.octets.values():
            octets.stored = StoredOctets.of(b"short")

    def age_octets(self) -> None:
        for octets in self._state.octets.values():
            octets.touched_at = Instant(0)


def _nothing() -> Any:
    raise FileNotFoundError


class SqliteStore:
    """In a file, with files beside it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "outbox.db"

    def open(
        self, clock: Clock, told: list[Change], terms: BlobTerms = _TERMS
    ) -> SqliteOutbox:
        settings = SqliteSettings(blobs=terms)
        return SqliteOutbox.open(
            self._path, clock=clock, on_stored=told.append, settings=settings
        )

    def octets_kept(self) -> int:
        return len(stored_files(self._path))

    def lose_octets(self) -> None:
        for path in stored_files(self._path):
            path.unlink()

    def cut_octets(self) -> None:
        for path in stored_files(self._path):
            path.write_bytes(path.read_bytes()[:-1])

    def age_octets(self) -> None:
        age(self._path)


class PostgresStore:
    """In a schema of its own."""

    objects_url = ""

    def __init__(self, _folder: Path) -> None:
        self.url = postgres().fresh()

    def open(self, clock: Clock, told: list[Change], terms: BlobTerms = _TERMS) -> Any:
        from postroom_server.outbox.postgres.connecting import Database
        from postroom_server.outbox.postgres.store import (
            PostgresOutbox,
            PostgresSettings,
        )

        return PostgresOutbox.open(
            Database(self.url),
            clock=clock,
            on_stored=told.append,
            settings=PostgresSettings(blobs=terms, objects_url=self.objects_url),
        )

    def octets_kept(self) -> int:
        return int(self.run("SELECT count(*) FROM octets")[0][0])

    def lose_octets(self) -> None:
        self.run("DELETE FROM octets_piece; DELETE FROM octets")

    def cut_octets(self) -> None:
        self.run("UPDATE octets SET size = size - 1")

    def age_octets(self) -> None:
        self.run("UPDATE octets SET touched_at = touched_at - interval '2 hours'")

    def run(self, sql: str) -> list[Any]:
        """Do something behind the outbox's back."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


class ObjectStore(PostgresStore):
    """The same, with large octets in an object store."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._objects = folder / "objects"
        self._objects.mkdir()

    @property
    def objects_url(self) -> str:
        return f"file://{self._objects}"

    def lose_octets(self) -> None:
        for path in self._files():
            path.unlink()
        self.run("DELETE FROM octets")

    def octets_kept(self) -> int:
        return len(self._files())

    def _files(self) -> list[Path]:
        return [path for path in self._objects.rglob("*") if path.is_file()]


STORES = {"memory": MemoryStore, "sqlite": SqliteStore, "postgres": PostgresStore}
