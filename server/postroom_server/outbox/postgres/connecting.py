"""Connections to PostgreSQL that never wait longer than they may.

A database that stands still answers nothing, not even that it will not; so every wait
for it has an end here, after which the connection is given up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper, IntLoader

from postroom_server.domain.secret import Secret
from postroom_server.outbox.errors import DatabaseTrouble, Trouble
from postroom_server.outbox.postgres.dialect import (
    columns,
    for_rows,
    own,
    translated,
)
from postroom_server.outbox.statements import Cursor, Parts, Places, Row

T = TypeVar("T")

CONNECTING = 3
ANSWERING = 4.5
"""Seconds for a connection and for an answer: callers hear within 5 of trouble."""

_BUSY = frozenset({"40001", "40P01", "55P03", "57014"})
_FULL = frozenset({"53100"})
_DATA = frozenset({"0A", "21", "22", "23", "42", "54"})
_SETTINGS = (
    "SET statement_timeout = '4s'",
    "SET lock_timeout = '2s'",
    "SET idle_in_transaction_session_timeout = '10s'",
    "SET synchronous_commit = on",
    "SET jit = off",
)


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is: *url* without a password, and the *password*."""

    url: str
    password: Secret = field(default=Secret(""))
    application: str = "postroom"


class _Numbers(Int8Dumper):
    """Every number is a bigint, so that a statement is prepared once."""


class Link:
    """A connection that understands the outbox's SQL; for one thread at a time.

    It acts in the name that *owner* gives, which may change between transactions.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], owner: Callable[[], str]
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._acts_as: str | None = None

    @classmethod
    def to(cls, database: Database, owner: Callable[[], str]) -> Link:
        """A fresh connection, in the name of *owner*.  Raises `DatabaseTrouble`."""
        return cls._over(_Bounded, database, owner)

    @classmethod
    def patient(cls, database: Database) -> Link:
        """A connection that waits as long as it takes, for an operator's command."""
        link = cls._over(psycopg.Connection, database, str)
        with database_errors():
            link.raw.execute("SET statement_timeout = 0")
            link.raw.execute("SET idle_in_transaction_session_timeout = 0")
        return link

    @classmethod
    def _over(
        cls,
        kind: type[psycopg.Connection[Any]],
        database: Database,
        owner: Callable[[], str],
    ) -> Link:
        with database_errors():
            connection = kind.connect(
                database.url,
                password=database.password.reveal() or None,
                autocommit=True,
                connect_timeout=CONNECTING,
                application_name=database.application,
                tcp_user_timeout=int(ANSWERING * 1000),
                keepalives_idle=10,
                keepalives_interval=3,
                keepalives_count=2,
            )
            link = cls(connection, owner)
            try:
                connection.adapters.register_dumper(int, _Numbers)
                # Sums of numbers are numbers; nothing here has a fraction.
                connection.adapters.register_loader("numeric", IntLoader)
                for setting in _SETTINGS:
                    connection.execute(setting)
                link._be_who_we_are()
            except BaseException:
                connection.close()
                raise
        return link

    def keep_to_indexes(self) -> None:
        """Plan for large tables, however small they are.

        Plans are kept: one that was made for an empty store would read all of a full
        one, until its statistics are renewed.
        """
        with database_errors():
            for kind in ("seqscan", "hashjoin", "mergejoin"):
                self._connection.execute(f"SET enable_{kind} = off".encode())

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or one that failed."""
        status = self._connection.info.transaction_status
        return status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    @property
    def raw(self) -> psycopg.Connection[Any]:
        """What psycopg knows of it."""
        return self._connection

    def execute(self, sql: str, values: Any = (), /) -> Cursor:  # noqa: ANN401  bound
        """Run a query that is written for SQLite."""
        with database_errors():
            self._be_who_we_are()
            found = self._connection.execute(cast("Any", translated(sql)), values)
            return cast("Cursor", found)

    def run(self, name: str, values: Sequence[object] = ()) -> Cursor:
        """Run the query *name*, which only a fleet has."""
        with database_errors():
            self._be_who_we_are()
            found = self._connection.execute(cast("Any", own(name)), values)
            return cast("Cursor", found)

    def write_rows(self, name: str, rows: Sequence[Row], /) -> int:
        """Run the query *name* over *rows*; how many it changed."""
        if not rows:
            return 0
        sql, values = for_rows(name, rows)
        with database_errors():
            return self._connection.execute(cast("Any", sql), values).rowcount

    def write_together(self, parts: Parts, /) -> list[int]:
        """Run queries over their rows, all on one way there and back."""
        if not parts:
            return []
        with database_errors():
            try:
                with self._connection.pipeline():
                    cursors = [
                        self._connection.execute(cast("Any", sql), values)
                        for sql, values in (for_rows(*part) for part in parts)
                    ]
            except psycopg.Error:
                self._forget_prepared()
                raise
            return [cursor.rowcount for cursor in cursors]

    def _forget_prepared(self) -> None:
        # psycopg counts a statement as prepared when it is sent; behind one that
        # failed in the same pipeline the server never prepared it, and says so each
        # time that it is used.
        self._connection._prepared.clear()  # noqa: SLF001  it has no other name

    def due_deliveries(
        self, relay: str, now: int, places: Places, /
    ) -> list[list[tuple[Any, ...]]]:
        """The first of what is due, for each of *places*; all lanes in one query."""
        if not places:
            return []
        values = (*columns(places), relay, now)
        found: list[list[tuple[Any, ...]]] = [[] for _ in places]
        with database_errors():
            query = cast("Any", own("due_deliveries_of_lanes"))
            # As text, octets would be twice as many.
            for *row, place in self._connection.execute(query, values, binary=True):
                found[place - 1].append(tuple(row))
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is run in the block is stored together, or not at all."""
        with database_errors(), self._connection.transaction():
            yield

    def _be_who_we_are(self) -> None:
        owner = self._owner()
        if owner != self._acts_as and not self.in_transaction:
            self._connection.execute(cast("Any", own("be_owner")), (owner,))
            self._acts_as = owner

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()


class _Bounded(psycopg.Connection[Any]):
    """Gives up a connection that does not answer in time."""

    def wait(
        self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        if timeout is not None:
            # Who says how long waits for news (`notifies`), and not for an answer.
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ANSWERING)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001  it has no other name
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer in time") from error


@contextmanager
def database_errors() -> Iterator[None]:
    """Judge psycopg's errors; none of them gets out."""
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseTrouble(_kind(error), _told(error)) from error


def _kind(error: psycopg.Error) -> Trouble:
    state = error.sqlstate or ""
    if state in _FULL:
        return Trouble.FULL
    if state in _BUSY:
        return Trouble.BUSY
    if state[:2] in _DATA or isinstance(error, psycopg.DataError):
        return Trouble.DATA
    if not state and isinstance(error, psycopg.ProgrammingError):
        return Trouble.DATA
    return Trouble.AWAY


def _told(error: psycopg.Error) -> str:
    """What may be logged: never a row's values, which a detail may show."""
    return error.diag.message_primary or type(error).__name__
