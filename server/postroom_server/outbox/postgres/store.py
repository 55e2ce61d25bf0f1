"""The outbox in a PostgreSQL database, for any number of processes.

The guarantees are those of `store`.  In each process one thread commits, and others
read beside it.  What a process has under way is leased to it (`node`); what one leaves
behind that is gone, the others find in `leased`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Self, cast

from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import NotReady
from postroom_server.domain.lane import LaneKey
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.committing import CommittingOutbox, OnStored, OutboxParts
from postroom_server.outbox.errors import DRIVER_ERRORS, StoreAway
from postroom_server.outbox.event_log import EventLog, Row
from postroom_server.outbox.event_pages import Place
from postroom_server.outbox.leased_tokens import LeasedTokens
from postroom_server.outbox.marks_folder import MarksFolder
from postroom_server.outbox.postgres.buckets import PostgresBuckets
from postroom_server.outbox.postgres.connecting import Database, Link
from postroom_server.outbox.postgres.fellows import Fellows
from postroom_server.outbox.postgres.marking import FleetMarks, fleet_marks
from postroom_server.outbox.postgres.news import CHANGED
from postroom_server.outbox.postgres.node import LeaseSettings, Node
from postroom_server.outbox.postgres.notices import Notices
from postroom_server.outbox.postgres.octets import PostgresBlobs
from postroom_server.outbox.postgres.preparing import prepare
from postroom_server.outbox.postgres.purging import Purging
from postroom_server.outbox.postgres.restoring import heed_place
from postroom_server.outbox.postgres.sharing import PostgresSharing, TellingPauses
from postroom_server.outbox.postgres.writer import PostgresWriter
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.reading import readable
from postroom_server.outbox.statements import Connection, statement
from postroom_server.outbox.store import BlobTerms, Claimed, Retention
from postroom_server.outbox.telling import tell
from postroom_server.outbox.waiting import LineSettings
from postroom_server.outbox.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """How many callers may read at once, and the bounds of commits and leases.

    Large octets are in the object store at *objects_url*; empty: in the database.
    """

    readers: int = 6
    blobs: BlobTerms = field(default_factory=BlobTerms)
    line: LineSettings = field(default_factory=lambda: LineSettings(patience=4.5))
    lease: LeaseSettings = field(default_factory=LeaseSettings)
    objects_url: str = ""


_DEFAULTS = PostgresSettings()


class PostgresOutbox(CommittingOutbox):
    """An `Outbox` that many processes share."""

    def __init__(
        self,
        parts: OutboxParts,
        clock: Clock,
        on_stored: OnStored,
        fleet: tuple[Node, Notices],
        connect: Callable[[], Link],
    ) -> None:
        super().__init__(parts, clock, on_stored)
        self._event_log = _FleetEventLog(parts.readers)
        self._node, self._notices = fleet
        self.fleet = Fellows(parts.committer, parts.readers, self._node)
        self.pauses = TellingPauses(parts.committer, parts.readers, self._node)
        self.sharing = PostgresSharing(parts.readers, self._node)
        self.sharing.look()
        self._node.say(CHANGED)
        self._purging = Purging(connect)
        self._leased = LeasedTokens(PostgresBuckets(connect), clock.monotonic)
        self._leased.start()
        self.tokens = self._leased

    @classmethod
    def open(
        cls,
        database: Database,
        *,
        clock: Clock,
        on_stored: OnStored = lambda _: None,
        settings: PostgresSettings = _DEFAULTS,
    ) -> Self:
        """The store in *database*; an empty one becomes a store.

        *on_stored* is as for `SqliteOutbox.open`.
        Raises `StoreUnusableError`: it can't be reached, is of a newer version, or is
        no store.
        """
        try:
            with ExitStack() as undo:
                outbox = cls._opened(database, clock, on_stored, settings, undo)
                undo.pop_all()
        except (*DRIVER_ERRORS, NotReady) as error:
            raise StoreAway(f"the database can't be used: {error}") from error
        tell("info", "outbox.opened", store="postgresql", owner=outbox.owner)
        return outbox

    @classmethod
    def _opened(
        cls,
        database: Database,
        clock: Clock,
        on_stored: OnStored,
        settings: PostgresSettings,
        undo: ExitStack,
    ) -> Self:
        connect = partial(Link.to, database)
        first = connect(str)
        undo.callback(first.close)
        prepare(first, clock.now())

        def heeding(owner: Callable[[], str]) -> Link:
            link = connect(owner)
            heed_place(link, clock.now())
            return link

        node = Node(heeding, settings.lease)
        undo.callback(node.close)
        node.start()
        named = partial(connect, node.name)
        readers = Readers(named, settings.readers)
        undo.callback(readers.close)

        def hot() -> Link:
            link = heeding(node.name)
            link.keep_to_indexes()
            return link

        committer = Committer(PostgresWriter(hot(), hot, node), clock, settings.line)
        undo.callback(committer.close)
        blobs = _blobs(committer, readers, clock, settings)
        notices = Notices(named, node)
        undo.callback(notices.close)
        notices.start()
        first.close()

        def let_go() -> None:
            notices.close()
            node.close()

        parts = OutboxParts(committer, readers, blobs, blobs.octets, let_go)
        return cls(parts, clock, on_stored, (node, notices), named)

    @property
    def is_shared(self) -> bool:
        """Other processes may be at it, and may leave something behind."""
        return True

    @property
    def owner(self) -> str:
        """Who we are among the processes that share the store."""
        return self._node.owner

    def listen(self, on_due: Callable[[str], None]) -> None:
        """Tell *on_due* the relay of mail that other processes made due."""
        self._notices.on_due = on_due

    def claim(
        self, relay: str, now: Instant, wanted: Mapping[LaneKey, int]
    ) -> Sequence[Claimed]:
        """Begin attempts on what is due; none while we can't be sure of our lease."""
        if not self._node.is_live:
            return ()
        return super().claim(relay, now, wanted)

    def holds(self, delivery: Delivery) -> bool:
        """Whether the attempt under way is ours still; see `Outbox.holds`."""
        node = self._node
        if not node.is_live or not node.was_lost:
            return node.is_live
        values = (delivery.id, delivery.version, node.owner)
        with self._readers.lend() as connection:
            return bool(cast("Link", connection).run("holds", values).fetchall())

    def leased(self) -> Sequence[Delivery]:
        """What processes left under way that are gone; see `Outbox.leased`."""
        self._committer.run(_TakeOver())
        with self._readers.lend() as connection:
            rows = cast("Link", connection).run("taken_over").fetchall()
        return list(readable(rows))

    def finish(self) -> None:
        """Give back what is held, and store nothing any more.  May be repeated."""
        self._leased.close()
        self._purging.close()
        super().finish()

    def marks_in(self, folder: MarksFolder) -> AbstractContextManager[FleetMarks]:
        """The marks of this process, and of those that died, in *folder*."""
        return fleet_marks(folder, self._node.instance, self._readers)

    def purge(self, now: Instant, retention: Retention) -> int:
        """Remove some of what is past its time; one process at a time does."""
        return self._purging.turn(now, retention)


def _blobs(
    committer: Committer, readers: Readers, clock: Clock, settings: PostgresSettings
) -> PostgresBlobs:
    if not settings.objects_url:
        return PostgresBlobs(committer, readers, clock, settings.blobs)
    # Its library is an extra, which octets in the database do without.
    from postroom_server.outbox.postgres.objects import ObjectBlobs, object_store

    objects = object_store(settings.objects_url)
    return ObjectBlobs(committer, readers, clock, settings.blobs, objects=objects)


class _TakeOver(Work[None]):
    """What is leased to nobody who lives is ours, to be settled."""

    def perform(self, connection: Connection, /) -> None:
        link = cast("Link", connection)
        link.run("forget_dead")
        link.run("take_over")
        link.run("free_held")
        link.run("forget_waiters")
        link.run("forget_cancellations")


class _FleetEventLog(EventLog):
    """In the order of transactions: up to the first that may still be under way."""

    of_default = "events_of_tenant"

    def place_of(self, row: Row) -> Place:
        return Place(row[6], row[0])

    def _last(self, connection: Connection) -> Place:
        ((horizon,),) = connection.execute(statement("last_event")).fetchall()
        return Place(horizon, 0)
