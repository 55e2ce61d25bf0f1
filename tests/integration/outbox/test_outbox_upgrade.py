"""Stores of every version that was released are brought up to date with their mail.

`tests/stores` has one of each: made by that version, with a delivery in every state,
whose request id says which.  A revision that was released gets its store there.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.delivery.recovery import recover
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import COUNTED, Counters
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.outbox.event_pages import START, EventQuery
from postroom_server.outbox.migrating import CURRENT
from postroom_server.outbox.store import DeliveryQuery

from tests.support.blobs import DATA, bring, upload, with_file
from tests.support.builders import NOW, SECOND, a_finish, a_new_delivery
from tests.support.outboxes import claim

STORES = Path(__file__).parents[2] / "stores"
RELEASED = sorted(store.stem for store in STORES.glob("*.sql"))
STATUSES = {
    "queued": "QUEUED",
    "queued-two": "QUEUED",
    "relayed": "QUEUED",
    "sending": "SENDING",
    "sending-held": "SENDING",
    "sending-relayed": "SENDING",
    "partly": "RETRY",
    "retry": "RETRY",
    "success": "SUCCESS",
    "partial": "PARTIAL",
    "rejected": "REJECTED",
    "failed": "FAILED",
    "temp-failed": "TEMP_FAILED",
    "uncertain": "UNCERTAIN",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
}
LATER = {"with-file": "0002", "labelled": "0003"}
"""What came with a revision."""


@pytest.fixture(params=RELEASED)
def revision(request, path) -> str:
    """The revision of the store at *path*, as that version left it."""
    with closing(sqlite3.connect(path)) as store:
        store.executescript((STORES / f"{request.param}.sql").read_text())
        store.execute("PRAGMA journal_mode = WAL")
    return request.param


def names(revision: str) -> set[str]:
    """What its store has."""
    return {*STATUSES, *(n for n, since in LATER.items() if since <= revision)}


def by_name(outbox) -> dict:
    """All deliveries by their request ids."""
    found = outbox.list(DeliveryQuery(tenant="default", limit=100))
    return {delivery.request_id: delivery for delivery in found}


def test_every_delivery_is_what_it_was(open_outbox, revision):
    found = by_name(open_outbox())
    expected = dict.fromkeys(names(revision), "QUEUED") | STATUSES

    assert {name: one.status.name for name, one in found.items()} == expected


def test_every_content_is_read_as_it_was(open_outbox, revision):
    outbox = open_outbox()
    texts = {
        name: outbox.content(one.id).message.text
        for name, one in by_name(outbox).items()
        if name != "with-file"
    }

    assert texts == {name: f"Mail {name}.\r\n" for name in texts}


def test_request_ids_are_known_as_before(open_outbox, revision):
    outbox = open_outbox()
    found = {
        name: outbox.find("default", name).delivery_id == one.id
        for name, one in by_name(outbox).items()
    }

    assert found == dict.fromkeys(names(revision), True)


def test_events_are_there_in_their_order(open_outbox, revision):
    outbox = open_outbox()
    query = EventQuery(tenant="default", after=START, limit=1000)
    sequences: dict[str, list[int]] = {}
    for one in outbox.events(query).events:
        sequences.setdefault(one.source.delivery_id, []).append(one.sequence)

    assert len(sequences) == len(names(revision))
    assert all(s == list(range(1, len(s) + 1)) for s in sequences.values())


def test_what_was_counted_is_counted_name_by_name(open_outbox, path, revision):
    # Each name another number: one that took another's place would show.
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("DELETE FROM counter")
        rows = [("main", "default", name, n) for n, name in enumerate(COUNTED)]
        store.executemany("INSERT INTO counter VALUES (?, ?, ?, ?)", rows[1:])
    outbox = open_outbox()

    assert outbox.counters() == Counters(*range(len(COUNTED)))


def test_counters_go_on(open_outbox, revision):
    counters = open_outbox().counters()

    assert counters.accepted == len(names(revision))
    assert counters.succeeded == 1


def test_what_waited_is_sent(open_outbox, revision):
    outbox = open_outbox()
    begun = claim(outbox, limit=100)
    begun += claim(outbox, NOW + 900 * SECOND, limit=100, retries=True)
    waiting = names(revision) - {n for n, s in STATUSES.items() if s not in _WAITING}

    assert {one.request_id for one in begun} == waiting
    assert all(outbox.save(a_finish(one)) for one in begun)


_WAITING = {"QUEUED", "RETRY"}


def test_what_was_under_way_is_settled_at_the_start(open_outbox, revision):
    outbox = open_outbox()
    recover(outbox, lambda _: True, Instant(NOW + SECOND))
    found = by_name(outbox)

    assert found["sending"].status is DeliveryStatus.RETRY
    assert found["sending-held"].status is DeliveryStatus.UNCERTAIN
    assert found["sending-relayed"].status is DeliveryStatus.UNCERTAIN
    assert found["relayed"].status is DeliveryStatus.TEMP_FAILED


def test_a_blob_is_a_blob_still(open_outbox, revision):
    if revision < LATER["with-file"]:
        pytest.skip("there were none")
    outbox = open_outbox()
    octets = bring(outbox.blobs)
    mail = by_name(outbox)["with-file"]

    assert outbox.content(mail.id).message.stored == (octets,)


def test_it_takes_blobs_and_mail_with_files_from_now_on(open_outbox, revision):
    outbox = open_outbox()
    blob = upload(outbox.blobs)
    change = a_new_delivery(id="f" * 32)
    outbox.accept(change, with_file(blob.octets), None)
    (octets,) = outbox.content(change.after.id).message.stored

    assert b"".join(octets.blocks()) == DATA


def test_labels_are_found_by(open_outbox, revision):
    if revision < LATER["labelled"]:
        pytest.skip("there were none")
    query = DeliveryQuery(tenant="default", tag="news")

    assert [one.request_id for one in open_outbox().list(query)] == ["labelled"]


def test_it_is_copied_aside_before(open_outbox, revision, path):
    open_outbox()
    copy = path.with_name(f"{path.name}.before-{CURRENT.newest}")

    with closing(sqlite3.connect(copy)) as store:
        assert store.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (revision,)
        ]


def test_every_released_revision_has_its_store():
    assert list(CURRENT.revisions[: len(RELEASED)]) == RELEASED
    assert len(RELEASED) >= 3
