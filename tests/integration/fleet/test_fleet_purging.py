"""A fleet purges a large table in small steps, and nobody waits for it."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg
import pytest
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.purge import MOST_REMOVED
from postroom_server.outbox.store import Retention

from tests.support.builders import DAY, NOW, a_content, a_new_delivery, a_request
from tests.support.outboxes import accept, settle

KEEP = Retention(content=DAY / 1e6, deliveries=30 * DAY / 1e6)
LATER = NOW + 40 * DAY
MANY = 1300
PATIENCE = 30.0


@pytest.fixture
def run(url):
    """Does something in the database behind the outbox's back."""

    def query(sql: str) -> list:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    return query


def multiply(run, table: str, *keys: str) -> None:
    """Many copies of the rows of *table*, under other *keys*."""
    columns = (
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_schema = current_schema() AND table_name = '{table}' "
        "AND column_name NOT IN ('seq', 'xid') ORDER BY ordinal_position"
    )
    names = [name for (name,) in run(columns)]
    values = [f"{n} || '-' || i" if n in keys else n for n in names]
    run(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "
        f"FROM {table}, generate_series(1, {MANY}) AS i"
    )


def test_each_turn_is_small_and_all_of_it_goes(join, run):
    outbox = join()
    settle(outbox)
    run("INSERT INTO attempt (delivery, number, doc) SELECT id, 2, '{}' FROM delivery")
    for table, key in (
        ("delivery", "id"),
        ("content", "delivery"),
        ("attempt", "delivery"),
        ("event", "delivery"),
        ("recipient", "delivery"),
    ):
        multiply(run, table, key)
    live = accept(outbox)
    turns = []
    while turn := outbox.purge(LATER, KEEP):
        turns.append(turn)

    assert len(turns) > MANY // MOST_REMOVED
    assert max(turns) <= 3 * MOST_REMOVED
    assert run("SELECT id FROM delivery") == [(live.id,)]
    for table in ("content", "recipient"):
        assert run(f"SELECT delivery FROM {table}") == [(live.id,)]
    assert run("SELECT count(*) FROM attempt") == [(0,)]


def test_mail_is_accepted_while_purging_waits_for_somebody(join, run, url):
    outbox = join()
    change = a_new_delivery()
    outbox.accept(change, a_content(), a_request(change.after))

    def purge() -> None:
        with suppress(NotReady):
            outbox.purge(LATER, KEEP)

    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM request FOR UPDATE")
        purging = threading.Thread(target=purge, name="purging")
        purging.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        pause = threading.Event()
        for _ in range(int(PATIENCE / 0.02)):
            if run(waiting):
                break
            pause.wait(0.02)
        accepted = accept(outbox)
        was_waiting = purging.is_alive()
    purging.join(PATIENCE)

    assert was_waiting
    assert outbox.get("default", accepted.id) is not None


def test_a_connection_that_is_lost_is_made_anew(join, run):
    outbox = join()
    settle(outbox)
    assert outbox.purge(NOW, KEEP) == 0
    outbox._purging._link.raw.close()
    with pytest.raises(NotReady):
        outbox.purge(LATER, KEEP)

    assert outbox.purge(LATER, KEEP) > 0
