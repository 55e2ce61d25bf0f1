"""Relays that an administrator paused: kept in the store, so that they stay so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from postroom_server.domain.clock import Instant
from postroom_server.domain.relays import RelayPause
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.statements import statement
from postroom_server.outbox.work import Written


class Pauses(Protocol):
    """What is durable of them.  Raises `NotReady` and `StoreFull` as the store does."""

    def all(self) -> Mapping[str, RelayPause]:
        """Those that hold, by the relay's bare id."""

    def keep(self, relay: str, pause: RelayPause) -> None:
        """*relay* is paused; another pause of it is replaced."""

    def end(self, relay: str) -> None:
        """*relay* is not paused any more."""


class StoredPauses:
    """The pauses in a store."""

    def __init__(self, committer: Committer, readers: Readers) -> None:
        self._committer = committer
        self._readers = readers

    def all(self) -> Mapping[str, RelayPause]:
        """Those that hold; see `Pauses.all`."""
        with self._readers.lend() as connection:
            rows = connection.execute(statement("pauses")).fetchall()
        return {
            relay: RelayPause(reason, paused_by, Instant(paused_at))
            for relay, reason, paused_by, paused_at in rows
        }

    def keep(self, relay: str, pause: RelayPause) -> None:
        """*relay* is paused; see `Pauses.keep`."""
        row = (relay, pause.reason, pause.paused_by, pause.paused_at)
        self._committer.run(Written({"put_pause": [row]}))

    def end(self, relay: str) -> None:
        """*relay* is not paused any more; see `Pauses.end`."""
        self._committer.run(Written({"drop_pause": [(relay,)]}))


class LocalPauses:
    """The pauses of one process, gone with it."""

    def __init__(self) -> None:
        self._pauses: dict[str, RelayPause] = {}

    def all(self) -> Mapping[str, RelayPause]:
        """Those that hold; see `Pauses.all`."""
        return dict(self._pauses)

    def keep(self, relay: str, pause: RelayPause) -> None:
        """*relay* is paused; see `Pauses.keep`."""
        self._pauses[relay] = pause

    def end(self, relay: str) -> None:
        """*relay* is not paused any more; see `Pauses.end`."""
        self._pauses.pop(relay, None)
