"""A process keeps its lease, whatever becomes of what it tells the others."""

from __future__ import annotations

from types import SimpleNamespace

from postroom_server.outbox.errors import DatabaseTrouble, Trouble
from postroom_server.outbox.postgres.node import LeaseSettings, Node


class Wordless:
    """A connection to a database that takes no notices."""

    def __init__(self) -> None:
        self.run_so_far: list[str] = []

    def run(self, name, _values=()):
        if name.startswith("notify"):
            raise DatabaseTrouble(Trouble.AWAY, "too many notifications")
        self.run_so_far.append(name)
        return SimpleNamespace(rowcount=1)

    def close(self) -> None:
        """Nothing is open."""


def test_a_lease_is_renewed_though_the_database_takes_no_words():
    link = Wordless()
    node = Node(lambda _: link, LeaseSettings(renewed_every=0.0))
    # It does not pause after the failure.
    node._stop.set()
    node.say("look")
    node._turn()

    assert "renew" in link.run_so_far
    assert node.is_live
