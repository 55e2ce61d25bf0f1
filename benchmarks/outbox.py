"""How many mails a second the outbox takes in, and takes through a whole delivery.

Every answer is on the disk before it is counted.  Three kinds of work, with 10 KB of
text each: `accept` alone, `sent` (accepted with its attempt begun, then finished: the
happy path) and `cycle` (accepted, claimed, finished).  In SQLite the peer writes the
same rows with one transaction per call.  Prints the median over alternating rounds,
and the processor time of the whole process per mail.

With `--postgresql` the store is a PostgreSQL of the benchmark's own, which flushes
each commit; then it tells how many works shared a commit.

    python -m benchmarks.outbox [--rounds 3] [--seconds 1.0] [--folder DIR]
        [--postgresql]
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.transitions import accepted_and_begun, newly_accepted
from postroom_server.outbox.claims import Claim
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.connecting import connect_writer
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.migrating import prepare
from postroom_server.outbox.store import Content
from postroom_server.outbox.waiting import LineSettings
from postroom_server.outbox.work import Work
from postroom_server.outbox.works import Accept, Save, Times
from postroom_server.outbox.writer import Writer

from tests.support.builders import a_content, a_delivery, a_finish
from tests.support.postgres import postgres, stop_postgres

T = TypeVar("T")
Run = Callable[[Work[Any]], Any]
WORDS = ("order", "shipment", "tracking", "invoice", "customer", "delivery", "paid")
THREADS = (1, 8, 32)
FLEET_THREADS = (8, 64)
CLOCK = SystemClock()


class OnePerCall:
    """The peer: a lock, and a transaction for each call."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._mutex = threading.Lock()

    def run(self, work: Work[T]) -> T:
        with self._mutex:
            (outcome,) = self._writer.commit([work])
        if outcome.error is not None:
            raise outcome.error
        return outcome.result  # type: ignore[return-value]  # no error: a result

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Rate:
    """Mails a second, and microseconds of processor time for each."""

    per_second: float
    cpu_micros: float


def fresh(relay: str) -> Delivery:
    now = CLOCK.now()
    expiry = Instant(now + 86_400_000_000)
    return a_delivery(
        id=new_id(now), relay=relay, accepted_at=now, due_at=now, expire_at=expiry
    )


def times() -> Times:
    now = CLOCK.now()
    return Times(now, now)


def accept(run: Run, content: Content, relay: str) -> None:
    run(Accept(newly_accepted(fresh(relay)), content, None, times()))


def sent(run: Run, content: Content, relay: str) -> None:
    change = accepted_and_begun(fresh(relay))
    run(Accept(change, content, None, times()))
    run(Save(a_finish(change.after)))


def cycle(run: Run, content: Content, relay: str) -> None:
    accept(run, content, relay)
    claim = Claim(relay, CLOCK.now(), {LaneKey(tenant="default"): 1})
    for taken in run(claim):
        run(Save(a_finish(taken.change.after)))


WORKS = {"accept": accept, "sent": sent, "cycle": cycle}


def measured(
    path: Path, make: Callable[[Writer], Any], work: str, threads: int
) -> Rate:
    """One round in a store of its own."""
    path.touch()
    connection = connect_writer(path)
    prepare(connection, path, CLOCK.now())
    with closing(make(Writer(connection, partial(connect_writer, path)))) as store:
        return driven(partial(WORKS[work], store.run, CONTENT), threads)


def driven(once: Callable[[str], None], threads: int) -> Rate:
    """How often *once* is done by so many threads, each for a relay of its own."""
    counts = [0] * threads
    start, until = threading.Barrier(threads + 1), 0.0

    def drive(index: int) -> None:
        start.wait()
        while time.perf_counter() < until:
            once(f"r{index}")
            counts[index] += 1

    drivers = [threading.Thread(target=drive, args=(i,)) for i in range(threads)]
    for driver in drivers:
        driver.start()
    began, cpu = time.perf_counter(), time.process_time()
    until = began + SECONDS
    start.wait()
    for driver in drivers:
        driver.join()
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    return Rate(sum(counts) / took, spent / sum(counts) * 1e6)


def prose(size: int) -> str:
    rng = random.Random(1)
    lines = []
    while sum(map(len, lines)) < size:
        lines.append(" ".join(rng.choices(WORDS, k=9)) + "\r\n")
    return "".join(lines)


def grouped(writer: Writer) -> Committer:
    return Committer(writer, CLOCK, LineSettings())


def row(folder: Path, work: str, threads: int, rounds: int) -> str:
    """One line of the table."""
    ours, peers = [], []
    for index in range(rounds):
        path = folder / f"{work}-{threads}-{index}"
        ours.append(measured(path.with_suffix(".ours"), grouped, work, threads))
        peers.append(measured(path.with_suffix(".peer"), OnePerCall, work, threads))
    ratio = statistics.median(
        o.per_second / p.per_second for o, p in zip(ours, peers, strict=True)
    )
    return (
        f"{work:8} {threads:3} threads  {median(ours, 'per_second'):7.0f}/s "
        f"{median(ours, 'cpu_micros'):6.0f} us   one per call "
        f"{median(peers, 'per_second'):7.0f}/s {median(peers, 'cpu_micros'):6.0f} us   "
        f"ratio {ratio:4.2f}"
    )


def postgres_row(work: str, threads: int, rounds: int) -> str:
    """One line of the table for PostgreSQL."""
    import psycopg
    from postroom_server.outbox.postgres.connecting import Database
    from postroom_server.outbox.postgres.store import PostgresOutbox

    rates, shared = [], []
    for _ in range(rounds):
        url = postgres().fresh()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")
        with closing(PostgresOutbox.open(Database(url), clock=CLOCK)) as store:
            once = partial(WORKS[work], store._committer.run, CONTENT)  # noqa: SLF001  beneath what an outbox shows
            rates.append(driven(once, threads))
            works = store.commits().works
            shared.append(works.total / sum(works.bucket_counts))
    return (
        f"{work:8} {threads:3} threads  {median(rates, 'per_second'):7.0f}/s "
        f"{median(rates, 'cpu_micros'):6.0f} us   "
        f"{statistics.median(shared):5.1f} works a commit"
    )


def median(rates: Sequence[Rate], name: str) -> float:
    return statistics.median(getattr(rate, name) for rate in rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    global SECONDS  # noqa: PLW0603  one setting of one script
    SECONDS = asked.seconds
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    sys.setswitchinterval(0.0005)
    if asked.postgresql:
        for work in WORKS:
            for threads in FLEET_THREADS:
                print(postgres_row(work, threads, asked.rounds), flush=True)
        stop_postgres()
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for work in WORKS:
            for threads in THREADS:
                print(row(Path(folder), work, threads, asked.rounds), flush=True)


CONTENT = a_content(text=prose(10_240))
SECONDS = 1.0

if __name__ == "__main__":
    main()
