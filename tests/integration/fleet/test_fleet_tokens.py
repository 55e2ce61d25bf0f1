"""Limits that hold over all outboxes on one database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.pacing import Rate
from postroom_server.domain.relays import RelayPause
from postroom_server.outbox.quotas import Quota
from postroom_server.outbox.store import Blob
from postroom_server.outbox.stored_quotas import StoredQuotas
from postroom_server.outbox.work import Work

from tests.support.builders import NOW

SCOPE = "relay:main"
RATE = Rate(50.0, 10.0)
LONG = 20.0


def took(outbox, rate, seconds):
    """When *outbox* was granted tokens while it wanted as many as there are."""
    until, times = time.monotonic() + seconds, []
    more = threading.Event()
    outbox.tokens.listen(more.set)
    while time.monotonic() < until:
        more.clear()
        grant = outbox.tokens.take(SCOPE, rate, 5)
        times += [time.monotonic()] * grant.taken
        if not grant.taken:
            more.wait(grant.wait)
    return times


def most_beyond(times, rate):
    """The most that any span of time saw beyond what its length allows."""
    times = sorted(times)
    return max(
        (last - first + 1) - rate.per_second * (times[last] - times[first])
        for first in range(len(times))
        for last in range(first, len(times))
    )


def test_four_processes_together_keep_the_limit_and_reach_it(join):
    fleet = [join() for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        times = [
            at
            for taken in threads.map(lambda one: took(one, RATE, 2.0), fleet)
            for at in taken
        ]

    # What a busy machine delays between the database and here is granted earlier.
    assert most_beyond(times, RATE) <= RATE.burst + 8
    assert len(times) >= 0.6 * RATE.per_second * 2


def granted(outbox, rate, want=1):
    """Tokens that *outbox* gets when it waits for them; 0: it does not in time."""
    more = threading.Event()
    outbox.tokens.listen(more.set)
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        more.clear()
        grant = outbox.tokens.take(SCOPE, rate, want)
        if grant.taken or grant.wait > LONG:
            return grant.taken
        more.wait(grant.wait)
    return 0


def test_what_one_process_had_the_others_have_not(join):
    one, other = join(), join()
    seldom = Rate(0.001, 1.0)

    assert granted(one, seldom) == 1
    assert granted(other, seldom) == 0


def test_what_is_held_at_the_end_is_for_the_others(join):
    one, other = join(), join()
    seldom = Rate(0.001, 1.0)
    held = threading.Event()
    one.tokens.listen(held.set)
    one.tokens.take(SCOPE, seldom, 1)
    assert held.wait(LONG)

    one.close()

    assert granted(other, seldom) == 1


def test_buckets_are_full_at_first_and_of_every_scope_alone(join):
    outbox = join()
    seldom = Rate(0.001, 4.0)

    assert granted(outbox, seldom, 4) == 2
    assert outbox.tokens.wait("relay:other", seldom, 0) < 1


def test_processes_together_spend_the_recipients_of_a_day_exactly(join):
    fleet = [join() for _ in range(4)]
    day = Quota(SCOPE, 20_000, 90)

    with ThreadPoolExecutor(8) as threads:
        spent = sum(
            threads.map(lambda n: fleet[n % 4].quotas.spend(day, 1), range(200))
        )

    assert spent == 90


class Meeting(Work):
    """Met by another process in the midst of a commit, when it is first tried."""

    def __init__(self, barrier):
        super().__init__()
        self._barrier = barrier
        self.tries = 0

    def perform(self, _connection, /):
        self.tries += 1
        if self.tries == 1:
            self._barrier.wait(LONG)


def of_quota(does, scope, *counts):
    """Work on a day's quota, as the store makes it."""
    made = []
    store = StoredQuotas(SimpleNamespace(run=made.append), None)
    getattr(store, does)(Quota(scope, 20_000, 100), *counts)
    return made.pop()


def takes(_outbox, scope):
    return of_quota("take", scope, 1, 1)


def gives_back(_outbox, scope):
    return of_quota("give_back", scope, 1)


def keeps_a_blob(outbox, tenant):
    blob = Blob(tenant, StoredOctets.of(b"x"), outbox.created_at)
    return outbox.blobs._keeping(blob, outbox.created_at)


@pytest.mark.parametrize("work", [takes, gives_back, keeps_a_blob])
def test_processes_that_want_the_same_quotas_are_not_in_each_others_way(join, work):
    fleet, barrier = [join(), join()], threading.Barrier(2)
    meetings = [Meeting(barrier) for _ in fleet]

    def commit(outbox, works):
        return [one.error for one in outbox._committer._writer.commit(works)]

    assert commit(fleet[0], [takes(fleet[0], scope) for scope in "ab"]) == [None] * 2
    with ThreadPoolExecutor(2) as threads:
        told = [
            threads.submit(commit, one, [work(one, first), meeting, work(one, last)])
            for one, meeting, (first, last) in zip(
                fleet, meetings, ["ab", "ba"], strict=True
            )
        ]

    assert [one.result() for one in told] == [[None] * 3] * 2
    # One that the database had to break off would have been tried again.
    assert [one.tries for one in meetings] == [1, 1]


def test_each_hears_of_its_own_quota_whatever_the_order(join):
    works = [of_quota("take", scope, 1, most) for scope, most in [("b", 2), ("a", 1)]]

    outcomes = join()._committer._writer.commit(works)

    assert [one.result.count for one in outcomes] == [2, 1]


def test_what_a_killed_process_held_is_wasted_and_nothing_is_spent_twice(join):
    one, other = join(), join()
    day = Quota(SCOPE, 20_000, 5_000)
    one.quotas.spend(day, 1)
    one.quotas.spend(day, 1)
    one.quotas._shares.clear()

    assert not other.quotas.spend(day, 4_999)
    assert other.quotas.spend(day, 4_999 - 5)


@pytest.mark.parametrize(("most", "shares"), [(8, 8), (9, 9), (3, 3), (2, 3)])
def test_what_may_be_under_way_at_once_is_shared(join, most, shares):
    fleet = [join() for _ in range(3)]
    for outbox in fleet:
        outbox.sharing.look()

    assert sum(outbox.sharing.share(most) for outbox in fleet) == shares


def test_who_leaves_leaves_its_share_to_the_others(join):
    one, other = join(), join()
    one.sharing.look()
    assert one.sharing.share(10) == 5

    other.close()
    one.sharing.look()

    assert one.sharing.share(10) == 10


def test_others_are_told_of_a_pause(join):
    one, other = join(), join()
    told = threading.Event()
    other.sharing.listen(told.set)
    one.pauses.keep("main", RelayPause("repairs", "ops", Instant(NOW)))

    assert told.wait(LONG)
    assert list(other.pauses.all()) == ["main"]
