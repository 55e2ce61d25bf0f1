"""Large octets of a fleet in an object store: what only that can do wrong."""

from __future__ import annotations

import pytest
from postroom_server.config import ConfigError, load_config
from postroom_server.domain.clock import Instant
from postroom_server.domain.errors import BlobNotFound, NotReady
from postroom_server.domain.octets import DamagedOctets
from postroom_server.outbox.errors import (
    DatabaseTrouble,
    StoreUnusableError,
    Trouble,
)
from postroom_server.outbox.postgres.checking import check_database
from postroom_server.outbox.postgres.connecting import Database, Link

from tests.support.blobs import DATA, bring, upload, with_file
from tests.support.builders import NOW, a_new_delivery
from tests.support.clocks import FakeClock
from tests.support.service import plain, settings
from tests.support.stores import ObjectStore


@pytest.fixture
def store(tmp_path) -> ObjectStore:
    return ObjectStore(tmp_path)


@pytest.fixture
def outbox(store):
    outbox = store.open(FakeClock(Instant(NOW)), [])
    yield outbox
    outbox.close()


def check(store) -> list[str]:
    found = check_database(Database(store.url), store.objects_url)
    return [str(finding) for finding in found]


def test_octets_are_objects_and_no_rows(outbox, store):
    upload(outbox.blobs)

    assert store.octets_kept() == 1
    assert store.run("SELECT count(*) FROM octets_piece") == [(0,)]
    assert check(store) == []


def test_many_megabytes_are_read_as_they_were_written(outbox):
    data = bytes(range(256)) * 40_000
    octets = bring(outbox.blobs, data)

    assert b"".join(octets.blocks()) == data


def test_an_object_that_is_gone_is_found_by_the_check(outbox, store):
    upload(outbox.blobs)
    for path in store._files():
        path.unlink()

    assert check(store)[0].startswith("1 octets are gone, or cut short")


def test_an_object_that_is_gone_can_t_be_read(outbox, store):
    octets = bring(outbox.blobs)
    for path in store._files():
        path.unlink()

    with pytest.raises(DamagedOctets):
        list(octets.blocks())


def test_what_is_swept_can_be_brought_again(outbox, store):
    octets = bring(outbox.blobs)
    store.age_octets()
    assert outbox.blobs.sweep() == 1
    with pytest.raises(BlobNotFound):
        outbox.accept(a_new_delivery(), with_file(octets), None)

    assert b"".join(bring(outbox.blobs).blocks()) == DATA


def test_what_was_swept_by_half_can_be_brought_again(outbox, store, monkeypatch):
    """The object went, and the database before it was told."""
    octets = bring(outbox.blobs)
    store.age_octets()
    run = Link.run

    def fail(link, name, values=()):
        if name == "drop_octets":
            raise DatabaseTrouble(Trouble.AWAY, "the database was ended")
        return run(link, name, values)

    monkeypatch.setattr(Link, "run", fail)
    with pytest.raises(NotReady):
        outbox.blobs.sweep()
    monkeypatch.undo()

    with pytest.raises(BlobNotFound):
        outbox.accept(a_new_delivery(), with_file(octets), None)
    assert b"".join(bring(outbox.blobs).blocks()) == DATA


def test_an_address_that_can_t_be_used_is_told_without_it(tmp_path):
    store = ObjectStore(tmp_path)
    store.__class__ = type("Wrong", (ObjectStore,), {"objects_url": "nope://secret"})
    with pytest.raises(StoreUnusableError, match="objects_url can't be used"):
        store.open(FakeClock(Instant(NOW)), [])


@pytest.mark.parametrize(
    "url", ["https://key:secret@host/bucket", "s3://key:secret@bucket", "bucket"]
)
def test_an_address_with_credentials_or_of_no_store_is_refused(tmp_path, url):
    config = settings(tmp_path, {"main": plain(1)})
    environ = {
        "POSTROOM_STORE__URL": "postgresql://postroom@localhost/postroom",
        "POSTROOM_STORE__OBJECTS_URL": url,
    }
    with pytest.raises(ConfigError, match="s3://, gs://, az:// or file:///") as refused:
        load_config(config, environ)

    assert "secret" not in str(refused.value)
