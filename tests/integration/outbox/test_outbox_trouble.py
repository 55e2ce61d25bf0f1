"""A full disk, a store that goes away, and rows that can't be read."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from postroom_server.domain.errors import NotReady, StoreFull
from postroom_server.outbox import committer
from postroom_server.outbox.records import UnreadableDelivery

from tests.support.builders import NOW, a_content, a_finish, a_new_delivery
from tests.support.committing import one_batch
from tests.support.outboxes import accept, claim, claim_whole, first_due, listed

LARGE = a_content(text="a" * 20_000)
PATIENCE = 20.0


# The disk is full


@contextmanager
def full_disk(outbox) -> Iterator[None]:
    """The store may not grow, as on a disk without room."""
    connection = outbox._committer._writer._connection
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    connection.execute(f"PRAGMA max_page_count = {pages + 1}").fetchall()
    try:
        yield
    finally:
        connection.execute("PRAGMA max_page_count = 1000000").fetchall()


def test_a_full_disk_is_told_and_nothing_is_stored(outbox):
    kept = accept(outbox)
    change = a_new_delivery()
    with full_disk(outbox), pytest.raises(StoreFull):
        outbox.accept(change, LARGE, None)

    assert listed(outbox) == [kept.id]
    assert outbox.counters().accepted == 1
    assert outbox.is_ready


def test_when_there_is_room_again_mail_is_accepted_again(outbox):
    change = a_new_delivery()
    with full_disk(outbox), pytest.raises(StoreFull):
        outbox.accept(change, LARGE, None)

    assert outbox.accept(change, LARGE, None) is None
    assert outbox.content(change.after.id) == LARGE


def test_ends_are_recorded_where_new_mail_does_not_fit(outbox):
    delivery = accept(outbox, leased=True)
    with full_disk(outbox), one_batch(outbox) as batch:
        refused = batch.add(outbox.accept, a_new_delivery(), LARGE, None)
        saved = batch.add(outbox.save, a_finish(delivery))

    assert isinstance(refused.exception(), StoreFull)
    assert saved.result() is True


# The store is away


@contextmanager
def no_writing() -> Iterator[None]:
    """No file of this process can be written beyond its first octet."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def quick(monkeypatch):
    """A store that is away is tried again soon."""
    monkeypatch.setattr(committer, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(committer, "MOST_DELAY", 0.01)


def test_a_store_that_cannot_be_written_says_so_and_stores_nothing(quick, outbox):
    change = a_new_delivery()
    with no_writing():
        with pytest.raises(NotReady):
            outbox.accept(change, a_content(), None)
        ready = outbox.is_ready
        found = outbox.get("default", change.after.id)

    assert not ready
    assert found is None


def accepted_again(outbox, change) -> None:
    """Try until it is accepted, as a caller would."""
    for _ in range(100_000):
        try:
            outbox.accept(change, a_content(), None)
        except NotReady:
            continue
        return
    pytest.fail("the store did not come back")


def test_it_recovers_by_itself_under_load(quick, open_outbox):
    outbox = open_outbox()
    kept = accept(outbox)
    change = a_new_delivery()
    with no_writing(), pytest.raises(NotReady):
        outbox.accept(change, a_content(), None)
    accepted_again(outbox, change)
    reopened = open_outbox()

    assert sorted(listed(reopened)) == sorted([kept.id, change.after.id])


def test_it_recovers_by_itself_when_nobody_calls(quick, outbox, monkeypatch):
    came_back = threading.Event()
    recover = outbox._committer._writer.recover

    def recovering() -> bool:
        back = recover()
        if back:
            came_back.set()
        return back

    monkeypatch.setattr(outbox._committer._writer, "recover", recovering)
    with no_writing(), pytest.raises(NotReady):
        accept(outbox)

    assert came_back.wait(PATIENCE)
    accept(outbox)


def test_tries_to_recover_are_spaced(outbox, monkeypatch):
    """However many callers come, the store is not tried for each."""
    monkeypatch.setattr(committer, "FIRST_DELAY", 60.0)
    monkeypatch.setattr(committer, "MOST_DELAY", 60.0)
    outbox._committer._delay = 60.0
    tries = []
    recover = outbox._committer._writer.recover
    monkeypatch.setattr(
        outbox._committer._writer, "recover", lambda: tries.append(1) or recover()
    )
    with no_writing():
        for _ in range(50):
            with pytest.raises(NotReady):
                accept(outbox)

    assert len(tries) <= 1


def test_reads_go_on_while_the_store_cannot_be_written(quick, outbox):
    delivery = accept(outbox)
    with no_writing(), pytest.raises(NotReady):
        accept(outbox)
    with no_writing():
        found = outbox.get("default", delivery.id)

    assert found == delivery


def test_a_locked_database_is_told_and_passes(outbox, path):
    """Another program (a shell on the file, a backup) holds it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outbox._committer._writer._connection.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(NotReady):
            accept(outbox)
        other.execute("ROLLBACK")

    accept(outbox)
    assert outbox.counters().accepted == 1


def test_a_failed_commit_fails_all_who_shared_it(outbox):
    writer = outbox._committer._writer
    changes = [a_new_delivery() for _ in range(6)]
    with one_batch(outbox) as batch:
        futures = [batch.add(outbox.accept, c, a_content(), None) for c in changes]
        # The gate's transaction has begun and keeps the connection that it has.
        writer._connection = FailingCommit(writer._connection)
    raised = [future.exception(PATIENCE) for future in futures]

    assert {type(error) for error in raised} == {NotReady}
    assert listed(outbox) == []
    assert outbox.is_ready


class FailingCommit:
    """A connection whose next commit fails at the disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._failed = False

    def __getattr__(self, name: str):
        return getattr(self._connection, name)

    def execute(self, sql: str, *values):
        if sql == "COMMIT" and not self._failed:
            self._failed = True
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return self._connection.execute(sql, *values)


# A row is damaged


def damage(path, delivery_id: str, document: str = '{"v":99}') -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE delivery SET doc = ? WHERE id = ?", (document, delivery_id)
        )


def test_a_delivery_that_cannot_be_read_hides_no_other(outbox, path):
    first, damaged, last = (accept(outbox) for _ in range(3))
    damage(path, damaged.id)

    assert listed(outbox) == [last.id, first.id]
    with pytest.raises(UnreadableDelivery):
        outbox.get("default", damaged.id)


def test_a_delivery_that_cannot_be_read_is_out_of_the_lanes_way(outbox, path):
    damaged, good = accept(outbox), accept(outbox)
    damage(path, damaged.id)
    first = claim(outbox, limit=1)
    second = claim(outbox, limit=1)

    assert [d.id for d in first + second] == [good.id]
    assert first_due(outbox, retries=False) == NOW + 3_600_000_000


def test_a_content_that_cannot_be_read_is_claimed_as_none(outbox, path):
    delivery = accept(outbox)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE content SET data = x'00' WHERE 1")
    (claimed,) = claim_whole(outbox, NOW, retries=False, limit=1)

    assert claimed.delivery.id == delivery.id
    assert claimed.content is None
