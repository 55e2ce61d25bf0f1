"""Many callers share one commit, and only that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.errors import NotReady
from postroom_server.domain.transitions import hurry
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.sqlite import SqliteOutbox, SqliteSettings
from postroom_server.outbox.waiting import LineSettings

from tests.support.builders import (
    NOW,
    a_content,
    a_deferral,
    a_finish,
    a_new_delivery,
    a_request,
)
from tests.support.committing import PATIENCE, Gate, one_batch
from tests.support.outboxes import accept, claim

POISON = "\ud800"
HASTY = SqliteSettings(line=LineSettings(patience=1.0))


def commits_of(outbox) -> list[str]:
    """The commits that the writer makes from now on."""
    seen: list[str] = []
    trace = lambda sql: seen.append(sql) if sql == "COMMIT" else None  # noqa: E731  short
    outbox._committer._writer._connection.set_trace_callback(trace)
    return seen


def test_callers_who_wait_together_share_a_commit(outbox):
    changes = [a_new_delivery() for _ in range(20)]
    commits = commits_of(outbox)
    with one_batch(outbox) as batch:
        for change in changes:
            batch.add(outbox.accept, change, a_content(), None)

    assert len(commits) == 2  # the gate's and theirs
    assert outbox.counters().accepted == 20


def test_the_happy_path_is_two_commits(outbox):
    commits = commits_of(outbox)
    outbox.save(a_finish(accept(outbox, leased=True)))

    assert len(commits) == 2


def test_one_bad_row_fails_its_own_caller_alone(outbox):
    good = [a_new_delivery() for _ in range(5)]
    bad = a_new_delivery(message_id=POISON)
    with one_batch(outbox) as batch:
        futures = [
            batch.add(outbox.accept, change, a_content(), None)
            for change in (*good[:3], bad, *good[3:])
        ]

    assert isinstance(futures[3].exception(), (RowRefused, UnicodeError))
    assert all(f.exception() is None for f in futures if f is not futures[3])
    assert all(outbox.get("default", c.after.id) == c.after for c in good)
    assert outbox.counters().accepted == 5


def test_every_kind_of_work_may_be_in_a_batch_with_a_bad_one(outbox):
    leased, queued = accept(outbox, leased=True), accept(outbox)
    record = a_request(queued, method="CancelDelivery")
    with one_batch(outbox) as batch:
        bad = batch.add(outbox.accept, a_new_delivery(tenant=POISON), a_content(), None)
        saved = batch.add(outbox.save, a_finish(leased))
        remembered = batch.add(outbox.remember, record)
        claimed = batch.add(claim, outbox)

    assert bad.exception() is not None
    assert saved.result() is True
    assert remembered.result() is None
    assert [d.id for d in claimed.result()] == [queued.id]
    assert outbox.depth(NOW).sending == 1


def test_a_stale_change_in_a_batch_leaves_the_others_whole(outbox):
    first, second = accept(outbox), accept(outbox)
    outbox.save(hurry(first, NOW))
    with one_batch(outbox) as batch:
        stale = batch.add(outbox.save, hurry(first, NOW + 1))
        good = batch.add(outbox.save, hurry(second, NOW + 1))

    assert stale.result() is False
    assert good.result() is True
    assert outbox.get("default", second.id).due_at == NOW + 1


def test_of_equal_requests_in_one_batch_one_is_stored(outbox):
    changes = [a_new_delivery() for _ in range(4)]
    with one_batch(outbox) as batch:
        answers = [
            batch.add(outbox.accept, change, a_content(), a_request(change.after))
            for change in changes
        ]
    used = [future.result() for future in answers]

    assert used.count(None) == 1
    assert outbox.counters().accepted == 1


def test_counts_of_one_batch_are_summed(outbox):
    deliveries = [accept(outbox, leased=True) for _ in range(8)]
    with one_batch(outbox) as batch:
        for delivery in deliveries:
            batch.add(outbox.save, a_finish(delivery))

    assert outbox.counters().succeeded == 8
    assert outbox.counters().recipients_delivered == 8


# A caller who has gone


@pytest.fixture
def hasty(open_outbox):
    """An outbox whose callers wait a second."""
    return open_outbox(HASTY)


def while_committing(outbox, call):
    """Make *call*; its commit is held up until it has given up.  What it raised."""
    gate = Gate()
    with one_batch(outbox) as batch:
        held = batch.add(outbox._committer.run, gate)
        gone = batch.add(call)
    assert gate.reached.wait(PATIENCE)
    raised = gone.exception(PATIENCE)
    gate.released.set()
    held.exception(PATIENCE)
    # What is taken back is so before the next commit.
    outbox._committer.run(_Nothing())
    return raised


class _Nothing(Gate):
    def perform(self, _connection, /):
        """The commit itself is what matters."""


def test_a_delivery_whose_caller_had_gone_is_removed_with_all_that_is_its(hasty, rows):
    change = a_new_delivery()
    record = a_request(change.after)
    raised = while_committing(hasty, lambda: hasty.accept(change, a_content(), record))

    assert isinstance(raised, NotReady)
    assert hasty.get("default", change.after.id) is None
    assert hasty.find("default", "r1") is None
    assert hasty.counters().accepted == 0
    for table in ("delivery", "content", "due", "event", "recipient", "request"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_claim_whose_caller_had_gone_is_released_and_costs_nothing(hasty):
    delivery = accept(hasty)
    raised = while_committing(hasty, lambda: claim(hasty))
    released = hasty.get("default", delivery.id)

    assert isinstance(raised, NotReady)
    assert released.status is DeliveryStatus.QUEUED
    assert released.tries == 0
    assert [attempt.relay for attempt in released.attempts] == [released.relay_name]
    assert [d.id for d in claim(hasty, retries=True)] == [delivery.id]


def test_a_change_whose_caller_had_gone_stays_and_may_be_repeated(hasty):
    change = a_finish(accept(hasty, leased=True))
    raised = while_committing(hasty, lambda: hasty.save(change))

    assert isinstance(raised, NotReady)
    assert hasty.get("default", change.after.id) == change.after
    assert hasty.save(change)


def test_a_request_id_whose_caller_had_gone_is_free(hasty):
    record = a_request(a_new_delivery().after)
    while_committing(hasty, lambda: hasty.remember(record))

    assert hasty.find("default", "r1") is None


# Beside each other


def test_readers_never_see_half_a_change(outbox):
    """Deliveries move between queue and attempt; their sum never changes."""
    count = 6
    for _ in range(count):
        accept(outbox)
    stop = threading.Event()
    clock = SystemClock()

    def churn(*, retries: bool) -> None:
        while not stop.is_set():
            for delivery in claim(outbox, clock.now(), retries=retries, limit=2):
                outbox.save(a_deferral(delivery, NOW))

    def look() -> set[int]:
        sums = set()
        for _ in range(150):
            depth = outbox.depth(NOW)
            sums.add(depth.due + depth.retrying + depth.sending)
        return sums

    with ThreadPoolExecutor(5) as pool:
        churning = [pool.submit(churn, retries=r) for r in (False, True)]
        seen = [pool.submit(look) for _ in range(3)]
        sums = [future.result(60) for future in seen]
        stop.set()
        for future in churning:
            future.result(60)

    assert sums == [{count}] * 3


def test_more_readers_than_connections_all_get_their_turn(open_outbox):
    outbox = open_outbox(SqliteSettings(readers=2))
    delivery = accept(outbox)
    together = threading.Barrier(12)

    def look():
        together.wait(PATIENCE)
        return [outbox.get("default", delivery.id) for _ in range(20)]

    with ThreadPoolExecutor(12) as pool:
        found = [pool.submit(look) for _ in range(12)]

    assert all(set(future.result()) == {delivery} for future in found)
    assert len(outbox._readers._idle) <= 2


def test_a_closed_outbox_refuses_and_can_be_closed_again(outbox):
    outbox.close()
    outbox.close()

    with pytest.raises(NotReady):
        accept(outbox)
    with pytest.raises(NotReady):
        outbox.get("default", "x")


def test_closing_commits_who_waits(open_outbox):
    outbox = open_outbox()
    change = a_new_delivery()
    with one_batch(outbox) as batch:
        accepted = batch.add(outbox.accept, change, a_content(), None)
        closing = threading.Thread(target=outbox.close)
        closing.start()
    closing.join(PATIENCE)

    assert accepted.result() is None
    assert open_outbox().get("default", change.after.id) == change.after


def test_a_listener_that_fails_does_not_make_the_stored_look_unstored(path):
    def fail(change):
        raise RuntimeError(change.after.id)

    outbox = SqliteOutbox.open(path, clock=SystemClock(), on_stored=fail)
    delivery = accept(outbox)
    found = outbox.get("default", delivery.id)
    outbox.close()

    assert found == delivery
