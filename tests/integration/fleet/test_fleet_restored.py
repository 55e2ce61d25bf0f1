"""A database that is restored is on hold; one that a standby takes over goes on."""

from __future__ import annotations

import re
import subprocess

import psycopg
import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.restoring import Whereabouts
from postroom_server.outbox.postgres.store import PostgresOutbox

from tests.support.builders import NOW
from tests.support.outboxes import accept, claim
from tests.support.postgres import postgres

CLOCK = SystemClock()


@pytest.fixture
def run(url):
    """Does something in the database behind the outbox's back."""

    def query(sql: str) -> list:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    return query


@pytest.fixture
def elsewhere(run):
    """Pretends that the store was last seen somewhere else, seconds ago."""

    def pretend(seconds: float, identity: str = "", timeline: str = "") -> None:
        ((place,),) = run("SELECT place FROM store")
        here = Whereabouts.parse(place)
        other = Whereabouts(identity or here.identity, timeline or here.timeline)
        ago = f"clock_timestamp() - interval '{seconds} seconds'"
        run(f"UPDATE store SET place = '{other}', seen_at = {ago}")

    return pretend


@pytest.fixture
def left(join):
    """The epoch of a store that nobody has open, with one mail that waits."""
    outbox = join()
    accept(outbox)
    outbox.close()
    return outbox.epoch


def test_a_store_remembers_where_it_is(left, run):
    ((place,),) = run("SELECT place FROM store")

    assert re.fullmatch(r"\d+/\d+/\d+@00000001", place)


def test_a_store_that_is_where_it_was_goes_on(left, join):
    outbox = join()

    assert (outbox.epoch, outbox.hold.now()) == (left, None)
    assert len(claim(outbox)) == 1


@pytest.mark.parametrize(
    "moved",
    [
        {"seconds": 1, "identity": "1/2/3"},
        {"seconds": 3600, "timeline": "00000007"},
    ],
    ids=["another cluster", "the past"],
)
def test_a_restored_store_is_on_hold_under_another_identity(
    left, elsewhere, join, moved
):
    elsewhere(**moved)
    outbox, other = join(), join()

    assert "restored; it was last served at 20" in outbox.hold.now().reason
    assert outbox.epoch == other.epoch != left
    assert claim(outbox) == claim(other) == []


def test_a_standby_that_takes_over_at_once_goes_on(left, elsewhere, join):
    elsewhere(5, timeline="00000007")
    outbox = join()

    assert (outbox.epoch, outbox.hold.now()) == (left, None)
    assert len(claim(outbox)) == 1


def test_a_process_that_runs_notices_it_before_it_claims(join, elsewhere):
    outbox = join()
    accept(outbox)
    elsewhere(3600, timeline="00000007")
    # As after a restart of the database: the connection that commits is another one.
    assert outbox._committer._writer.recover()

    assert claim(outbox) == []
    assert outbox.hold.now() is not None


def test_a_lease_is_renewed_over_no_connection_that_did_not_look(join, elsewhere):
    outbox = join()
    elsewhere(3600, timeline="00000007")
    outbox._node._connect(outbox._node.name).close()

    assert outbox.hold.now() is not None


def test_a_dump_that_was_loaded_is_on_hold(left, url):
    cluster = postgres()
    schema = re.search(r"test_\w+", url)[0]
    copy = f"copy_of_{schema}"
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {copy}".encode())
    dump = cluster.output("pg_dump", "-n", schema, cluster.url)
    target = cluster.url.replace("/postgres?", f"/{copy}?")
    subprocess.run(
        [cluster.program("psql"), "-q", "-v", "ON_ERROR_STOP=1", target],
        input=dump,
        check=True,
        capture_output=True,
        timeout=60,
    )
    restored = PostgresOutbox.open(
        Database(f"{target}&options=-csearch_path%3D{schema}"), clock=CLOCK
    )
    try:
        assert restored.hold.now() is not None
        assert restored.epoch != left
        assert claim(restored) == []
        assert restored.depth(NOW).due == 1
    finally:
        restored.close()
