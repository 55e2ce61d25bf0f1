"""What the processes at one database tell each other of limits and pauses."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from postroom_server.domain.relays import RelayPause
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.pauses import StoredPauses
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.news import CHANGED
from postroom_server.outbox.postgres.node import Node
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.sharing import share


class PostgresSharing:
    """A `Sharing`; *node* is this process."""

    is_alone = False

    def __init__(self, readers: Readers, node: Node) -> None:
        self._readers = readers
        self._node = node
        self._standing = (1, 0)

    def share(self, most: int) -> int:
        """An equal part of it, by who was there at the last look."""
        return share(most, *self._standing)

    def sending_elsewhere(self, relay: str) -> int:
        """How many attempts on *relay* others make."""
        ((count,),) = self._run("sending_elsewhere", relay, self._node.owner)
        return int(count)

    def look(self) -> None:
        """See who is there now."""
        ((processes, place),) = self._run("standing", self._node.owner)
        self._standing = (max(1, processes), place)

    def listen(self, on_change: Callable[[], None]) -> None:
        """Call *on_change* when another process says that something was changed."""
        self._node.news.on_change = on_change

    def _run(self, name: str, *values: object) -> list[tuple[int, ...]]:
        with self._readers.lend() as connection:
            return cast("Link", connection).run(name, values).fetchall()


class TellingPauses(StoredPauses):
    """Pauses that the other processes are told of."""

    def __init__(self, committer: Committer, readers: Readers, node: Node) -> None:
        super().__init__(committer, readers)
        self._node = node

    def keep(self, relay: str, pause: RelayPause) -> None:
        """*relay* is paused; see `Pauses.keep`."""
        super().keep(relay, pause)
        self._node.say(CHANGED)

    def end(self, relay: str) -> None:
        """*relay* is not paused any more; see `Pauses.end`."""
        super().end(relay)
        self._node.say(CHANGED)
