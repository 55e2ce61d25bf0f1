"""A database that is not the one that the store was last opened in: it was restored.

The store remembers where it was: the cluster, the database, the table, and the
timeline of the log, which changes with each recovery that ends with a promotion.  From
a dump or in a copy it is elsewhere, and is put on hold under a new identity.

On another timeline alone it may have been restored to a moment of the past, or a
standby took over.  Processes note when they were last at it.  If that is a moment ago,
no more than that moment can be lost, and it goes on: a fleet survives its database.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from postroom_server.domain.clock import Instant
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.statements import statement
from postroom_server.outbox.stored_holds import SCOPE
from postroom_server.outbox.telling import tell

FAILOVER = 60.0
"""Seconds that the store may have been out of sight when a standby took over."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The cluster, database and table of a store, and the timeline of the log."""

    identity: str
    timeline: str

    @classmethod
    def parse(cls, place: str) -> Whereabouts:
        """What `str` made *place* of."""
        identity, _, timeline = place.rpartition("@")
        return cls(identity, timeline)

    def __str__(self) -> str:
        return f"{self.identity}@{self.timeline}"


def heed_place(link: Link, now: Instant) -> None:
    """Put the store on hold if this is not where it was; raises `DatabaseTrouble`.

    To be called on a connection before anything is claimed or renewed over it.
    """
    here = _here(link)
    ((place, _, _),) = link.run("place").fetchall()
    if place == str(here):
        return
    with link.transaction():
        # Another process may have noticed, too.
        ((place, unseen, seen_at),) = link.run("place_alone").fetchall()
        if place != str(here):
            _moved(link, (Whereabouts.parse(place), here), (unseen, str(seen_at)), now)


def _moved(
    link: Link,
    places: tuple[Whereabouts, Whereabouts],
    seen: tuple[float, str],
    now: Instant,
) -> None:
    (before, here), (unseen, seen_at) = places, seen
    link.run("move", (str(here),))
    if not before.identity:
        return
    if before.identity == here.identity and unseen <= FAILOVER:
        tell("warning", "outbox.failed_over", unseen_seconds=round(unseen, 1))
        return
    reason = f"restored; it was last served at {seen_at}"
    link.execute(statement("rename_store"), (uuid.uuid4().hex,))
    link.write_rows("put_hold", [(SCOPE, reason, now)])
    tell("warning", "outbox.restored", reason=reason)


def _here(link: Link) -> Whereabouts:
    ((identity, timeline, may_ask),) = link.run("whereabouts").fetchall()
    cluster: Any = "?"
    if may_ask:
        ((cluster,),) = link.run("cluster").fetchall()
    return Whereabouts(f"{cluster}/{identity}", str(timeline))
