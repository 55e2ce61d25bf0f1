"""Who waits for a connection to read."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import DatabaseTrouble, RowRefused, Trouble
from postroom_server.outbox.readers import Readers

PATIENCE = 10.0
AWAY = DatabaseTrouble(Trouble.AWAY, "no answer in time")


class Waiter:
    """A thread that wants to read; *told* is what it heard."""

    def __init__(self, readers: Readers) -> None:
        self.told: list[object] = []
        self._readers = readers
        self._thread = threading.Thread(target=self._run, name="waiter")

    def start(self) -> None:
        """Returns when it waits."""
        self._thread.start()
        while not self._readers._returned._waiters:
            pass

    def join(self) -> list[object]:
        self._thread.join(PATIENCE)
        return self.told

    def _run(self) -> None:
        try:
            with self._readers.lend() as connection:
                self.told.append(connection)
        except NotReady as error:
            self.told.append(str(error))


class Connection:
    def close(self) -> None:
        pass


def fail(readers: Readers, error: Exception, meanwhile=lambda: None) -> None:
    """Read until *error* comes, after *meanwhile*."""
    with suppress(NotReady, RowRefused), readers.lend():
        meanwhile()
        raise error


@pytest.fixture
def readers():
    opened = Readers(Connection, most=1)
    yield opened
    opened.close()


def test_a_store_that_is_away_for_one_is_away_for_all_who_wait(readers):
    waiter = Waiter(readers)
    fail(readers, AWAY, waiter.start)

    assert waiter.join() == ["the store is away"]


def test_who_waits_reads_when_another_has_read(readers):
    waiter = Waiter(readers)
    with readers.lend() as connection:
        waiter.start()

    assert waiter.join() == [connection]


def test_who_comes_after_a_failure_tries_again(readers):
    fail(readers, AWAY)

    with readers.lend() as connection:
        assert isinstance(connection, Connection)


def test_one_bad_row_is_nothing_to_those_who_wait(readers):
    waiter = Waiter(readers)
    fail(readers, DatabaseTrouble(Trouble.DATA, "a row"), waiter.start)

    (told,) = waiter.join()
    assert isinstance(told, Connection)
