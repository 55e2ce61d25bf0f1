"""What a mail takes in PostgreSQL: octets of tables and of the log, processor time.

Mails with 10 KB of text are accepted with their attempt begun, and delivered, by many
threads of one process; then the catalogue is asked.  Everything is on the disk before
it is counted.

    python -m benchmarks.sizing [--mails 5000] [--threads 32]
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import psutil
import psycopg
import structlog
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.transitions import begin_attempt, newly_accepted
from postroom_server.outbox.postgres.connecting import Database
from postroom_server.outbox.postgres.store import PostgresOutbox
from postroom_server.outbox.store import Content

from tests.support.builders import a_content, a_delivery, a_finish
from tests.support.postgres import Cluster, postgres, stop_postgres

DAY = 86_400_000_000
DURABLE = ("fsync = on", "full_page_writes = on", "autovacuum = on")
SIZES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
ORDER BY 2 DESC
"""


def prose(size: int) -> str:
    """Text of some words, drawn at random."""
    rng = random.Random(1)
    letters = "eeeeaaooiinnrrttssllddhcumpgbfywkv"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(250)]
    often = [1 / rank for rank in range(1, len(words) + 1)]
    lines = []
    while sum(map(len, lines)) < size:
        lines.append(" ".join(rng.choices(words, often, k=9)) + "\r\n")
    return "".join(lines)


def deliver(outbox: PostgresOutbox, content: Content) -> None:
    """One mail, from its acceptance to its end."""
    now = SystemClock().now()
    accepted = a_delivery(
        accepted_at=now, due_at=now, expire_at=Instant(now + DAY), tenant="acme"
    )
    new = newly_accepted(accepted)
    begun = begin_attempt(accepted, now)
    change = replace(
        begun,
        after=replace(begun.after, version=accepted.version),
        events=(*new.events, *begun.events),
        counters=new.counters + begun.counters,
    )
    outbox.accept(change, content, None)
    outbox.save(a_finish(change.after))


def processor(cluster: Cluster) -> float:
    """Seconds that the database has used so far, of processes that live."""
    used = 0.0
    for pid in cluster.processes():
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            used += times.user + times.system
    return used


def asked(url: str, sql: str) -> list[tuple[str, int]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def make_durable(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        for setting in DURABLE:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")


def run(mails: int, threads: int) -> Mapping[str, float]:
    """Seconds, octets of the log, seconds of processors."""
    cluster = postgres()
    make_durable(cluster)
    url = cluster.fresh()
    content = a_content(text=prose(10_240))
    outbox = PostgresOutbox.open(Database(url), clock=SystemClock())
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: deliver(outbox, content), range(threads)))
            log = asked(url, "SELECT '', pg_current_wal_lsn() - '0/0'")[0][1]
            theirs, ours = processor(cluster), time.process_time()
            began = time.perf_counter()
            list(pool.map(lambda _: deliver(outbox, content), range(mails)))
            took = time.perf_counter() - began
            ours = time.process_time() - ours
            theirs = processor(cluster) - theirs
            log = asked(url, "SELECT '', pg_current_wal_lsn() - '0/0'")[0][1] - log
        sizes = asked(url, SIZES)
    finally:
        outbox.close()
    for name, size in sizes:
        if size > 50 * mails:
            print(f"  {name:14} {size / (mails + threads):8.0f} octets a mail")
    total = sum(size for _, size in sizes) / (mails + threads)
    print(f"  {'all tables':14} {total:8.0f} octets a mail")
    return {"took": took, "log": float(log), "theirs": theirs, "ours": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=32)
    given = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    try:
        found = run(given.mails, given.threads)
    finally:
        stop_postgres()
    mails = given.mails
    print(f"  {'log':14} {found['log'] / mails:8.0f} octets a mail")
    print(f"  {mails / found['took']:.0f} mails a second by {given.threads} threads")
    print(f"  database {found['theirs'] / mails * 1e6:.0f} us of a processor a mail")
    print(f"  process  {found['ours'] / mails * 1e6:.0f} us of a processor a mail")


if __name__ == "__main__":
    main()
