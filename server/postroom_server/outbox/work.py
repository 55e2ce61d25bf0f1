"""What a caller wants of the one thread that writes.

A piece of work is rows, which are merged with those of other callers, or steps of its
own, or both.  All of it is stored or none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from postroom_server.domain.values import value
from postroom_server.outbox.rows import Rows
from postroom_server.outbox.statements import Connection

T = TypeVar("T")


class Work(Generic[T]):
    """One caller's part of a commit.

    *size* is about how many bytes it writes.  Work that *adds* takes on something new:
    a store that is full or overloaded refuses it and still records what becomes of the
    old.
    """

    locks = ""
    """What its own steps keep from other processes, where there are any."""
    adds = False
    size = 0

    def __init__(self, rows: Rows | None = None) -> None:
        self.rows: Rows = rows or {}

    def perform(self, connection: Connection, /) -> T:
        """Its own steps, after all rows were written; the caller's result."""
        raise NotImplementedError

    def make_room(self, connection: Connection, /) -> None:
        """Remove what may stand in the way of the rows and needn't."""

    def refused(self, _connection: Connection, error: Exception, /) -> T:
        """The caller's result where its rows can't be written; or raise *error*."""
        raise error

    def undone(self, _result: T, /) -> Sequence[Work[Any]]:
        """What takes it back, when its caller had gone before it was stored."""
        return ()


class Written(Work[None]):
    """Rows, and no more."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)

    def perform(self, _connection: Connection, /) -> None:
        """Its rows are all."""


@value(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The result of a piece of work, or what its caller must be told instead."""

    result: T | None = None
    error: Exception | None = None
