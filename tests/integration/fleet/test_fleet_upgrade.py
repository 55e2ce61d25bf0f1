"""A fleet's store is brought up to date by command, while older processes go on."""

from __future__ import annotations

import shutil
from contextlib import closing

import psycopg
import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.errors import (
    StoreForeign,
    StoreInUse,
    StoreOutdated,
    StoreTooNew,
)
from postroom_server.outbox.migrating import CURRENT, Schema
from postroom_server.outbox.postgres.connecting import Database, Link
from postroom_server.outbox.postgres.preparing import check_revision, migrate, prepare
from postroom_server.outbox.store import DeliveryQuery

from tests.support.builders import a_finish
from tests.support.outboxes import accept, claim
from tests.support.postgres import postgres

CLOCK = SystemClock()
ADDS = "ALTER TABLE delivery ADD COLUMN extra TEXT"
ENDS = "UPDATE store SET least_revision = '9999'"


@pytest.fixture
def link(url):
    with closing(Link.patient(Database(url))) as link:
        yield link


@pytest.fixture
def next_schema(tmp_path):
    """The schema of a version to come, whose last revision is as told."""

    def make(*statements: str) -> Schema:
        folder = tmp_path / "migrations"
        shutil.copytree(CURRENT.folder, folder)
        source = folder / "versions" / "9999.sql"
        source.write_text(";\n".join(statements) + ";\n")
        return Schema(folder, (*CURRENT.revisions, "9999"))

    return make


def structure(url: str) -> set[tuple]:
    """Columns and indexes of a store."""
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    indexes = (
        "SELECT tablename, replace(indexdef, current_schema() || '.', '') "
        "FROM pg_indexes WHERE schemaname = current_schema()"
    )
    with psycopg.connect(url) as connection:
        found = [*connection.execute(columns), *connection.execute(indexes)]
    schema = url.rpartition("%3D")[2]
    return {tuple(str(v).replace(f"{schema}.", "") for v in row) for row in found}


@pytest.mark.parametrize("last", range(1, len(CURRENT.revisions)))
def test_a_store_of_each_revision_becomes_what_a_new_one_is(link, url, last):
    older = Schema(CURRENT.folder, CURRENT.revisions[:last])
    prepare(link, CLOCK.now(), older)
    applied = migrate(link, CLOCK.now())
    fresh = postgres().fresh()
    with closing(Link.patient(Database(fresh))) as other:
        prepare(other, CLOCK.now())

    assert applied == list(CURRENT.revisions[last:])
    assert structure(url) == structure(fresh)


def test_an_older_store_is_refused_with_what_to_run(link, next_schema):
    prepare(link, CLOCK.now())
    with pytest.raises(StoreOutdated, match="run `postroomd store migrate`"):
        prepare(link, CLOCK.now(), next_schema(ADDS))


def test_an_empty_database_is_migrated_too(link, join):
    assert migrate(link, CLOCK.now()) == [CURRENT.newest]
    assert claim(join()) == []


def test_a_store_that_is_up_to_date_is_left(link):
    prepare(link, CLOCK.now())

    assert migrate(link, CLOCK.now()) == []


def test_an_empty_database_is_not_checked(link):
    with pytest.raises(StoreForeign, match="empty"):
        check_revision(link)


def test_processes_of_both_versions_deliver_together(link, join, next_schema):
    older = join()
    first = accept(older)
    migrate(link, CLOCK.now(), next_schema(ADDS))
    # One that was there, and one of the same version that starts now.
    started = join()
    second = accept(started)
    begun = [*claim(older, limit=1), *claim(started, limit=1)]

    assert {one.id for one in begun} == {first.id, second.id}
    assert all(older.save(a_finish(one)) for one in begun)
    assert len(started.list(DeliveryQuery(tenant="default"))) == 2


def test_what_older_processes_need_is_not_taken_away_while_they_live(
    link, join, next_schema
):
    outbox = join()
    schema = next_schema(ADDS, ENDS)
    with pytest.raises(StoreInUse) as refused:
        migrate(link, CLOCK.now(), schema)
    accept(outbox)

    assert outbox.owner in str(refused.value)
    outbox.close()
    assert migrate(link, CLOCK.now(), schema) == ["9999"]


def test_an_older_process_does_not_start_on_what_it_can_t_use(link, join, next_schema):
    prepare(link, CLOCK.now())
    migrate(link, CLOCK.now(), next_schema(ADDS, ENDS))
    with pytest.raises(StoreTooNew, match="newer version of Postroom"):
        join()


def test_a_revision_waits_for_others_no_longer_than_they_can_bear(
    link, url, join, next_schema, monkeypatch
):
    monkeypatch.setattr("postroom_server.outbox.postgres.preparing.TRIES", 1)
    outbox = join()
    with psycopg.connect(url) as busy:
        busy.execute("SELECT count(*) FROM delivery")
        with pytest.raises(Exception, match="lock timeout"):
            migrate(link, CLOCK.now(), next_schema(ADDS))
        accept(outbox)
