"""What a claim of 50 costs beside a queue: of ten tenants, five each, with contents.

A store has nothing else in it, or a million mails more: due now and of the same
tenants, due tomorrow, or due now for a relay that is not asked.  Both stores; that of
a fleet is a PostgreSQL of the benchmark's own.  Prints the median and the 99th
percentile in milliseconds, the median of an empty store that it takes turns with, and
the ratio (the median over the turns).

    python -m benchmarks.claims [--queued 1000000] [--claims 40] [--folder DIR]
        [--stores sqlite,postgresql]
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.lane import LaneKey
from postroom_server.outbox.committing import CommittingOutbox
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.sqlite import SqliteOutbox

from tests.support.builders import DAY, SECOND, a_content, a_new_delivery
from tests.support.postgres import postgres, stop_postgres

TENANTS = 10
EACH = 5
WARM_UP = 10
CLOCK = SystemClock()
CONTENT = a_content(text="Your order has shipped, and arrives on Thursday.\r\n" * 200)

_NUMBERS = {
    "sqlite": """
        WITH RECURSIVE n (i) AS (
            SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}
        )""",
    "postgresql": "WITH n AS (SELECT i FROM generate_series(1, {count}) AS i)",
}
# A copy of one delivery that is there, so many times, and when each is due.
_DELIVERIES = """{numbers}
INSERT INTO delivery
SELECT substr('{mark}00000000000000000000000' || (10000000 + i), {cut}),
    't' || (i % 10), '{relay}', d.completion, d.status, d.version, d.sequence,
    d.accepted_at + i, d.settled_at, d.content_purged, d.message_id, d.request_id,
    d.doc
FROM n, (SELECT * FROM delivery LIMIT 1) AS d"""
_DUE = """{numbers}
INSERT INTO due (delivery, relay, lane, tenant, due_at)
SELECT substr('{mark}00000000000000000000000' || (10000000 + i), {cut}),
    '{relay}', 4, 't' || (i % 10), {due_at} + i
FROM n"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits besides: for which relay, and when it is due, in microseconds."""

    relay: str
    due_in: int


BACKLOGS = {
    "due now": Backlog("main", -3600 * SECOND),
    "due tomorrow": Backlog("main", DAY),
    "due now, another relay": Backlog("other", -3600 * SECOND),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A store: how it is opened, and how SQL is run in it beside."""

    kind: str
    opened: Callable[[], CommittingOutbox]
    run: Callable[[str], None]


def fill(store: CommittingOutbox, count: int) -> None:
    """So many deliveries of each tenant, with contents."""

    def accept(tenant: int) -> None:
        now = CLOCK.now()
        change = a_new_delivery(
            id=new_id(now),
            tenant=f"t{tenant}",
            accepted_at=now,
            # Before all that waits besides.
            due_at=Instant(now - DAY),
            expire_at=Instant(now + DAY),
        )
        store.accept(change, CONTENT, None)

    with ThreadPoolExecutor(TENANTS) as threads:
        list(threads.map(accept, list(range(TENANTS)) * count))


def claim(store: CommittingOutbox) -> float:
    """How long one claim took, in milliseconds."""
    wanted = {LaneKey(tenant=f"t{tenant}"): EACH for tenant in range(TENANTS)}
    fill(store, EACH)
    began = time.perf_counter()
    claimed = store.claim("main", CLOCK.now(), wanted)
    spent = (time.perf_counter() - began) * 1e3
    assert len(claimed) == TENANTS * EACH
    return spent


def load(place: Place, backlog: Backlog, count: int) -> None:
    """Put *count* mails into the store, as *backlog* says."""
    words = {
        "numbers": _NUMBERS[place.kind].format(count=count),
        "relay": backlog.relay,
        "due_at": CLOCK.now() + backlog.due_in,
        "mark": "f",
        "cut": -32 if place.kind == "sqlite" else 1,
    }
    place.run(_DELIVERIES.format(**words))
    place.run(_DUE.format(**words))
    tidy(place)


def tidy(place: Place) -> None:
    """Do what a PostgreSQL does by itself after a while, and that of tests does not."""
    if place.kind == "postgresql":
        place.run("VACUUM ANALYZE due")
        place.run("VACUUM ANALYZE delivery")


def row(name: str, spent: list[float], empty: list[float]) -> str:
    ratio = statistics.median(s / e for s, e in zip(spent, empty, strict=True))
    last = statistics.quantiles(spent, n=100)[-1]
    return (
        f"{name:36} {statistics.median(spent):7.2f} {last:8.2f} "
        f"{statistics.median(empty):7.2f} {ratio:6.2f}"
    )


def measured(full: Place, empty: Place, queued: int, count: int) -> Iterator[str]:
    """The lines of the table for one kind of store; the two take turns."""
    with contextlib.closing(full.opened()) as store:
        fill(store, 1)
    for name, backlog in BACKLOGS.items():
        load(full, backlog, queued)
        with (
            contextlib.closing(full.opened()) as store,
            contextlib.closing(empty.opened()) as other,
        ):
            pairs = [(claim(store), claim(other)) for _ in range(count + WARM_UP)]
        spent, alone = zip(*pairs[WARM_UP:], strict=True)
        yield row(f"{full.kind}, {name}", list(spent), list(alone))
        full.run("DELETE FROM due WHERE delivery LIKE 'f%'")
        full.run("DELETE FROM delivery WHERE id LIKE 'f%'")
        tidy(full)


def sqlite_place(path: Path) -> Place:

    def run(sql: str) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(sql)

    return Place("sqlite", lambda: SqliteOutbox.open(path, clock=CLOCK), run)


def postgres_place() -> Place:
    import psycopg
    from postroom_server.outbox.postgres.connecting import Database
    from postroom_server.outbox.postgres.store import PostgresOutbox

    url = postgres().fresh()

    def run(sql: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.encode())

    return Place(
        "postgresql", lambda: PostgresOutbox.open(Database(url), clock=CLOCK), run
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=1_000_000)
    parser.add_argument("--claims", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--stores", default="sqlite,postgresql")
    asked = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    title = f"a claim of 50 beside {asked.queued:,}"
    print(f"{title:36} {'p50':>7} {'p99':>8} {'empty':>7} {'ratio':>6}")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        files = (Path(folder) / name for name in ("full.db", "empty.db"))
        places = {
            "sqlite": lambda: [sqlite_place(path) for path in files],
            "postgresql": lambda: [postgres_place(), postgres_place()],
        }
        try:
            for kind in asked.stores.split(","):
                full, empty = places[kind]()
                for line in measured(full, empty, asked.queued, asked.claims):
                    print(line, flush=True)
        finally:
            stop_postgres()


if __name__ == "__main__":
    main()
