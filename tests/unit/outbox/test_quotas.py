from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.quotas import IDLE, LocalQuotaStore, Quota, Quotas

from tests.support.clocks import FakeClock

DAY = Quota("relay:main", 1, 10)


class Away:
    """A store that is not there."""

    def take(self, *_):
        raise NotReady("away")

    give_back = left = take


def quotas(store=None, clock=None):
    return Quotas(store or LocalQuotaStore(), (clock or FakeClock()).monotonic)


@given(
    st.integers(1, 5000),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200), st.integers(0, 9))),
)
def test_processes_together_spend_no_more_than_there_is(most, moves):
    clock, store, quota = FakeClock(), LocalQuotaStore(), Quota("a", 1, most)
    fleet = [quotas(store, clock) for _ in range(4)]
    spent = 0
    for process, count, fate in moves:
        if fate == 0:
            fleet[process] = quotas(store, clock)
        elif fate == 1:
            clock.advance(IDLE)
            fleet[process].give_back_idle()
        spent += count if fleet[process].spend(quota, count) else 0

    assert spent <= most


def test_all_of_it_can_be_spent_and_nothing_more():
    ours = quotas()

    assert sum(ours.spend(DAY, 1) for _ in range(20)) == 10
    assert ours.left(DAY) == 0


def test_more_than_is_left_is_not_spent_at_all():
    ours = quotas()
    ours.spend(DAY, 7)

    assert not ours.spend(DAY, 4)
    assert ours.left(DAY) == 3
    assert ours.spend(DAY, 3)


def test_what_is_held_stays_when_more_is_refused():
    store, quota = LocalQuotaStore(), Quota("a", 1, 500)
    ours = quotas(store)
    ours.spend(quota, 1)
    ours.give_back(quota, 1)
    store.take(quota, 499, 499)

    assert not ours.spend(quota, 2)
    assert ours.spend(quota, 1)


def test_a_new_day_has_all_of_it_again():
    ours = quotas()
    ours.spend(DAY, 10)

    assert ours.spend(Quota("relay:main", 2, 10), 10)


def test_what_was_not_needed_can_be_spent_again():
    ours = quotas()
    ours.spend(DAY, 10)

    ours.give_back(DAY, 4)

    assert ours.spend(DAY, 4)
    assert not ours.spend(DAY, 1)


def test_what_was_not_needed_yesterday_is_of_no_use_today():
    ours, today = quotas(), Quota("relay:main", 2, 10)
    ours.spend(DAY, 10)
    ours.spend(today, 10)

    ours.give_back(DAY, 4)

    assert not ours.spend(today, 1)


def test_a_large_quota_is_taken_in_blocks():
    store, quota = LocalQuotaStore(), Quota("relay:main", 1, 50_000)
    ours = quotas(store)
    ours.spend(quota, 1)
    ours.spend(quota, 1)

    assert store.left(quota) == 50_000 - 51


def test_what_nobody_wanted_for_a_while_is_for_the_others():
    store, clock, quota = LocalQuotaStore(), FakeClock(), Quota("a", 1, 50_000)
    ours = quotas(store, clock)
    ours.spend(quota, 1)
    clock.advance(IDLE)

    ours.give_back_idle()

    assert store.left(quota) == 50_000 - 1


def test_what_others_gave_back_is_seen():
    store = LocalQuotaStore()
    ours, others = quotas(store), quotas(store)
    others.spend(DAY, 10)
    assert not ours.spend(DAY, 1)
    store.give_back(DAY, 5)

    ours.give_back_idle()

    assert ours.left(DAY) == 5


def test_what_is_held_is_given_back_at_the_end():
    store, quota = LocalQuotaStore(), Quota("a", 1, 50_000)
    ours = quotas(store)
    ours.spend(quota, 1)

    ours.close()

    assert store.left(quota) == 50_000 - 1


def test_nothing_is_spent_while_the_store_is_away():
    ours = quotas(Away())

    with pytest.raises(NotReady):
        ours.spend(DAY, 1)


def test_leaving_does_not_need_the_store():
    store = LocalQuotaStore()
    ours = quotas(store)
    ours.spend(Quota("a", 1, 50_000), 1)
    ours._store = Away()

    ours.close()


def test_threads_together_spend_no_more_than_there_is():
    ours = quotas()

    with ThreadPoolExecutor(8) as threads:
        spent = sum(threads.map(lambda _: ours.spend(DAY, 1), range(100)))

    assert spent == 10
