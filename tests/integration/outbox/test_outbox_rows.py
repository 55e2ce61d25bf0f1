"""What stands in the tables: events, attempts, what purging leaves, and the plans."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery, DeliveryStatus
from postroom_server.domain.events import EventKind
from postroom_server.domain.submission import Completion
from postroom_server.outbox import sqlite_writer as writer
from postroom_server.outbox.connecting import connect_writer
from postroom_server.outbox.label_keys import keys_of
from postroom_server.outbox.listing import indexes, listing, narrowest
from postroom_server.outbox.migrating import prepare
from postroom_server.outbox.purge import MOST_REMOVED
from postroom_server.outbox.statements import statement
from postroom_server.outbox.store import DeliveryQuery, Retention

from tests.support.builders import (
    DAY,
    NOW,
    SECOND,
    a_content,
    a_deferral,
    a_finish,
    a_new_delivery,
    a_recipient,
)
from tests.support.committing import one_batch
from tests.support.outboxes import accept, claim, settle

KEEP = Retention(content=86_400.0, deliveries=30 * 86_400.0)
FOREVER = 10_000 * 86_400.0


# Events and attempts


def test_events_are_in_order_without_gaps(outbox, rows):
    delivery = accept(outbox)
    (claimed,) = claim(outbox)
    outbox.save(a_deferral(claimed, NOW))
    (again,) = claim(outbox, retries=True)
    outbox.save(a_finish(again))
    events = rows(
        "SELECT sequence, kind FROM event WHERE delivery = ? ORDER BY seq", delivery.id
    )

    assert events == [
        (1, EventKind.ACCEPTED),
        (2, EventKind.ATTEMPT_STARTED),
        (3, EventKind.DEFERRED),
        (4, EventKind.ATTEMPT_STARTED),
        (5, EventKind.DELIVERED),
        (6, EventKind.SETTLED),
    ]


def test_events_of_one_batch_are_numbered_by_delivery(outbox, rows):
    changes = [
        a_new_delivery("a@example.com", "b@example.com", leased=True) for _ in "abc"
    ]
    for wanted in (changes, [a_finish(c.after) for c in changes]):
        with one_batch(outbox) as batch:
            for change in wanted:
                if change.attempt is None:
                    batch.add(outbox.accept, change, a_content(), None)
                else:
                    batch.add(outbox.save, change)
    for change in changes:
        query = "SELECT sequence FROM event WHERE delivery = ? ORDER BY seq"

        assert rows(query, change.after.id) == [(1,), (2,), (3,), (4,), (5,)]


def test_numbers_of_events_are_never_used_twice(open_outbox, rows):
    outbox = open_outbox()
    settle(outbox)
    ((before,),) = rows("SELECT max(seq) FROM event")
    outbox.purge(Instant(NOW + 400 * DAY), KEEP)
    outbox = open_outbox()
    accept(outbox)

    assert rows("SELECT min(seq) > ? FROM event", before) == [(1,)]


def defer(outbox, times: int) -> Delivery:
    """A new delivery after so many attempts."""
    accept(outbox)
    for turn in range(times):
        (claimed,) = claim(outbox, retries=turn > 0)
        change = a_deferral(claimed, NOW)
        outbox.save(change)
    return change.after


def test_every_attempt_is_kept_beyond_those_that_the_delivery_carries(outbox, rows):
    deferred = defer(outbox, 25)
    carried = [attempt.number for attempt in deferred.attempts]

    assert carried == [1, *range(6, 26)]
    assert rows("SELECT number FROM attempt ORDER BY number") == [
        (2,),
        (3,),
        (4,),
        (5,),
    ]


def test_what_the_delivery_says_and_its_row_agree(outbox, rows):
    delivery = settle(outbox, subject="Grüße")
    ((status, settled_at, document),) = rows(
        "SELECT status, settled_at, doc FROM delivery"
    )

    assert (status, settled_at) == (delivery.status, delivery.settled_at)
    assert json.loads(document)["subj"] == "Grüße"


# Purging


def test_one_turn_of_purging_is_small_and_all_turns_purge_all(outbox, rows):
    wanted = MOST_REMOVED + 20
    changes = [a_new_delivery(leased=True) for _ in range(wanted)]
    for start in range(0, wanted, 30):
        part = changes[start : start + 30]
        with one_batch(outbox) as batch:
            for change in part:
                batch.add(outbox.accept, change, a_content(), None)
        with one_batch(outbox) as batch:
            for change in part:
                batch.add(outbox.save, a_finish(change.after))
    later = Instant(NOW + 2 * DAY)
    first = outbox.purge(later, KEEP)
    ((left,),) = rows("SELECT count(*) FROM content")
    while outbox.purge(later, KEEP):
        pass

    assert first == MOST_REMOVED
    assert left == 20
    assert rows("SELECT count(*) FROM content") == [(0,)]
    assert rows("SELECT count(*) FROM delivery") == [(wanted,)]


def test_nothing_is_left_of_a_purged_delivery(outbox, rows):
    defer(outbox, 22)
    (claimed,) = claim(outbox, retries=True)
    outbox.save(a_finish(claimed))
    ((attempts,),) = rows("SELECT count(*) FROM attempt")
    while outbox.purge(Instant(NOW + 40 * DAY), KEEP):
        pass
    tables = ["delivery", "content", "due", "attempt", "event", "recipient", "request"]

    assert attempts == 2
    assert {t: rows(f"SELECT count(*) FROM {t}") for t in tables} == {
        t: [(0,)] for t in tables
    }


def test_old_events_go_before_their_delivery_does(outbox, rows):
    settle(outbox)
    live = accept(outbox)
    while outbox.purge(Instant(NOW + 8 * DAY), KEEP):
        pass

    assert rows("SELECT DISTINCT delivery FROM event") == [(live.id,)]
    assert rows("SELECT count(*) FROM delivery") == [(2,)]


def test_live_deliveries_do_not_keep_others_events(outbox, rows):
    """More events of live deliveries than one turn looks at stand before them."""
    for start in range(0, MOST_REMOVED + 30, 30):
        with one_batch(outbox) as batch:
            for _ in range(start, start + 30):
                batch.add(outbox.accept, a_new_delivery(), a_content(), None)
    gone = settle(outbox)
    retention = Retention(content=FOREVER, deliveries=FOREVER)
    for _ in range(3):
        outbox.purge(Instant(NOW + 8 * DAY), retention)

    assert rows("SELECT count(*) FROM event WHERE delivery = ?", gone.id) == [(0,)]


def test_room_that_was_freed_is_given_back_a_little_at_once(path, monkeypatch):
    monkeypatch.setattr(writer, "KEPT_PAGES", 10)
    monkeypatch.setattr(writer, "GIVEN_BACK_PAGES", 50)
    path.touch()
    connection = connect_writer(path)
    prepare(connection, path, NOW)
    connection.execute("INSERT INTO content VALUES ('a', 1, zeroblob(400000))")
    connection.execute("DELETE FROM content")
    before = pages(path)
    single = writer.SqliteWriter(connection, lambda: connect_writer(path))
    more = single.tidy()
    after_one = pages(path)
    while single.tidy():
        pass
    after_all = pages(path)
    single.close()

    assert more
    assert after_one == before - 50
    assert after_all < before - 80


def pages(path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((count,),) = connection.execute("PRAGMA page_count").fetchall()
        return count


# Plans: what must not become slow with the number of rows

HOT = [
    ("delivery", ("x", "x")),
    ("live_deliveries", (1, 1)),
    ("versions_of_leased", (2,)),
    ("request", ("x", "x", 1)),
    ("content", ("x",)),
    ("next_due", ("x", 4, "x")),
    ("due_deliveries", ("x", 4, "x", 1, 1)),
    ("stored_delivery", ("x",)),
    ("expire_request", ("x", "x", 1)),
    ("purge_requests", (1, 1)),
    ("spent_contents", (1, 1)),
    ("old_deliveries", (1, 1)),
    ("events_after", (1, 1)),
]


def plan(path, sql: str, values: tuple | dict[str, str]) -> str:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        return "\n".join(row[3] for row in found)


@pytest.mark.parametrize(("name", "values"), HOT, ids=[name for name, _ in HOT])
def test_no_hot_query_looks_at_every_row_or_sorts(outbox, path, name, values):
    chosen = plan(path, statement(name), values)

    assert "SCAN" not in chosen
    assert "TEMP B-TREE" not in chosen


def test_lanes_are_found_without_reading_what_is_in_them(outbox, path):
    chosen = plan(path, statement("lanes"), {"relay": "x"})
    looks = [line for line in chosen.splitlines() if "due_order" in line]

    assert len(looks) == 3
    assert all(line.startswith("SEARCH") for line in looks)
    assert "SCAN due" not in chosen
    assert "SCAN d" not in chosen


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({}, "delivery_of_tenant"),
        ({"message_id": "<1@example.org>"}, "delivery_of_message"),
        ({"recipient": "b@example.com"}, "k USING PRIMARY KEY (tenant=? AND key=?"),
        ({"statuses": frozenset({DeliveryStatus.RETRY})}, "delivery_live"),
        ({"statuses": frozenset({DeliveryStatus.FAILED})}, "delivery_of_tenant"),
        ({"before": (NOW, "x")}, "delivery_of_tenant"),
        ({"tag": "a"}, "k USING PRIMARY KEY (tenant=? AND key=?"),
        ({"metadata": (("a", "b"),)}, "k USING PRIMARY KEY (tenant=? AND key=?"),
        (
            {"tag": "a", "recipient": "b@example.com"},
            "(tenant=? AND key=? AND accepted_at=? AND delivery=?)",
        ),
        ({"tag": "a", "before": (NOW, "x")}, "(accepted_at,delivery)<(?,?))"),
        (
            {"recipient": "b@example.com", "before": (NOW, "x")},
            "(tenant=? AND key=? AND (accepted_at,delivery)<(?,?))",
        ),
    ],
    ids=str,
)
def test_lists_are_read_in_their_order_from_an_index(outbox, path, conditions, index):
    query = DeliveryQuery(tenant="default", **conditions)
    sql, values = listing(query, *indexes(query)[:1] or [None])
    chosen = plan(path, sql, values)

    assert index in chosen
    assert "SCAN" not in chosen
    assert "TEMP B-TREE" not in chosen


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, None),
        ({"tag": "all"}, ("label", "all")),
        ({"tag": "all", "metadata": (("n", "3"),)}, ("label", "n3")),
        ({"tag": "all", "recipient": "bob@example.com"}, ("label", "all")),
        ({"tag": "all", "recipient": "eve@example.com"}, ("recipient", None)),
        (
            {"tag": "all", "statuses": frozenset({DeliveryStatus.RETRY})},
            ("live", None),
        ),
        (
            {"tag": "none", "statuses": frozenset({DeliveryStatus.QUEUED})},
            ("label", "none"),
        ),
        ({"tag": "all", "message_id": "<1@example.org>"}, None),
    ],
    ids=str,
)
def test_a_list_is_read_from_the_index_that_holds_the_fewest(
    outbox, path, conditions, expected
):
    for number in range(4):
        accept(outbox, tags=("all",), metadata=(("n", str(number)),))
    query = DeliveryQuery(tenant="default", **conditions)
    with closing(sqlite3.connect(path)) as connection:
        found = narrowest(connection, query)

    keys = {
        "all": next(keys_of(["all"], ())),
        "none": next(keys_of(["none"], ())),
        "n3": next(keys_of((), (("n", "3"),))),
    }
    if expected is None:
        assert found is None
    else:
        table, label = expected
        assert found.table == table
        assert label is None or found.key == keys[label]


def test_all_recipients_go_with_their_delivery_and_nobody_elses_do(outbox, rows):
    b, c = a_recipient("b@example.com"), a_recipient("ü@example.org")
    settle(outbox, recipients=(b, c))
    stays = accept(outbox, recipients=(b,))
    outbox.purge(Instant(NOW + 400 * DAY), KEEP)

    assert rows("SELECT key, delivery FROM recipient") == [("b@example.com", stays.id)]


def test_labels_go_with_their_delivery(outbox, rows):
    settle(outbox, tags=("red",), metadata=(("n", "1"),))
    ((before,),) = rows("SELECT count(*) FROM label")
    outbox.purge(Instant(NOW + 400 * DAY), KEEP)

    assert before == 2
    assert rows("SELECT count(*) FROM label") == [(0,)]


def test_what_waits_is_found_however_many_others_wait(outbox):
    for _ in range(3):
        accept(outbox, due_at=Instant(NOW + SECOND))

    assert outbox.waiting(Completion.RELAYED) == []
    assert len(outbox.waiting(Completion.ACCEPTED)) == 3
