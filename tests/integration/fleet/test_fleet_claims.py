"""Claims of several processes at the same time, and what they ask of the database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from postroom_server.domain.attempt import AttemptOutcome
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.transitions import begin_attempt
from postroom_server.outbox.claims import Claim, Taken
from postroom_server.outbox.postgres.connecting import Database, Link
from postroom_server.outbox.postgres.dialect import own
from postroom_server.outbox.store import DeliveryQuery

from tests.support.builders import DAY
from tests.support.outboxes import accept

PATIENCE = 30.0
CLOCK = SystemClock()
LANE = LaneKey(tenant="default")


def waiting(outbox, count, **fields):
    """The ids of so many deliveries that are due."""
    moment = CLOCK.now()
    times = {"accepted_at": moment, "expire_at": Instant(moment + DAY)}
    return [
        accept(outbox, **times, due_at=Instant(moment - count + n), **fields).id
        for n in range(count)
    ]


def listed_whole(outbox):
    return list(outbox.list(DeliveryQuery(tenant="default")))


def undo(outbox, work, result):
    for undoing in work.undone(result):
        outbox._committer.run(undoing)


def ids(claimed):
    return [one.delivery.id for one in claimed]


def test_a_claim_waits_for_no_other_and_takes_what_is_left(join, url):
    outbox = join()
    due = waiting(outbox, 6)
    with psycopg.connect(url) as another:
        another.execute(
            "SELECT delivery FROM due ORDER BY due_at LIMIT 4 FOR UPDATE"
        ).fetchall()

        # Waiting for the other's locks would end in an error after some seconds.
        assert ids(outbox.claim("main", CLOCK.now(), {LANE: 6})) == due[4:]

        another.rollback()
    assert ids(outbox.claim("main", CLOCK.now(), {LANE: 6})) == due[:4]


def test_what_another_claims_is_not_put_back_by_who_failed_to(join):
    # The commit of a claim was under way when the connection broke, and failed.
    one, other = join(), join()
    waiting(one, 1)
    [due] = listed_whole(one)
    failed = Taken(begin_attempt(due, CLOCK.now()), (None, None))
    [claimed] = other.claim("main", CLOCK.now(), {LANE: 1})

    undo(one, Claim("main", CLOCK.now(), {LANE: 1}), [failed])

    assert failed.change.after.version == claimed.delivery.version
    assert listed_whole(one) == [claimed.delivery]


def test_a_claim_whose_answer_was_lost_is_put_back(join):
    outbox = join()
    waiting(outbox, 1)
    claim = Claim("main", CLOCK.now(), {LANE: 1})

    undo(outbox, claim, outbox._committer.run(claim))

    [delivery] = listed_whole(outbox)
    assert [a.outcome for a in delivery.attempts] == [AttemptOutcome.LOST]
    assert ids(outbox.claim("main", CLOCK.now(), {delivery.lane: 1})) == [delivery.id]


def test_two_that_claim_at_once_take_all_of_it_and_nothing_twice(join):
    both = join(), join()
    due = waiting(both[0], 40)
    together = threading.Barrier(2)

    def claim_all(outbox):
        taken = []
        together.wait(PATIENCE)
        # One may find all that is left taken by the other, and more later.
        while both[0].lanes("main"):
            taken += ids(outbox.claim("main", CLOCK.now(), {LANE: 3}))
        return taken

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(claim_all, both)

    assert sorted(first + second) == sorted(due)


def test_lanes_are_claimed_together_in_the_order_asked_for(join):
    outbox = join()
    tenants = ["c", "a", "b"]
    due = {tenant: waiting(outbox, 3, tenant=tenant) for tenant in tenants}
    wanted = {LaneKey(tenant=tenant): 2 for tenant in tenants}

    claimed = ids(outbox.claim("main", CLOCK.now(), wanted))

    assert claimed == [one for tenant in tenants for one in due[tenant][:2]]


@pytest.mark.parametrize("queued", [0, 2000])
def test_a_claim_reads_the_index_of_what_is_due_and_no_table(join, url, queued):
    join()
    link = Link.to(Database(url), str)
    link.keep_to_indexes()
    link.raw.execute(
        "INSERT INTO due (delivery, relay, lane, tenant, due_at) "
        "SELECT i::text, 'main', 4, 't', i FROM generate_series(1, %s) AS i",
        (queued,),
    )
    query = "EXPLAIN (FORMAT TEXT) " + own("due_deliveries_of_lanes")

    rows = link.raw.execute(query.encode(), ([4], ["t"], [5], "main", 9)).fetchall()

    link.close()
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan
    assert "due_order" in plan
