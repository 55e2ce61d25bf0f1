from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from postroom_server.outbox.quotas import Quota

DAY = Quota("relay:main", 20_000, 10)
LARGE = Quota("relay:main", 20_000, 50_000)
TODAY = Quota("relay:main", 20_001, 10)


def test_a_day_has_what_it_has(outbox):
    assert outbox.quotas.spend(DAY, 6)
    assert not outbox.quotas.spend(DAY, 5)
    assert outbox.quotas.spend(DAY, 4)
    assert outbox.quotas.left(DAY) == 0


def test_scopes_have_quotas_of_their_own(outbox):
    outbox.quotas.spend(DAY, 10)

    assert outbox.quotas.spend(Quota("tenant:a", 20_000, 10), 10)


def test_the_next_day_has_all_of_it_again(outbox):
    outbox.quotas.spend(DAY, 10)

    assert outbox.quotas.spend(TODAY, 10)
    assert not outbox.quotas.spend(TODAY, 1)


def test_a_restart_does_not_begin_to_count_anew(open_outbox):
    open_outbox().quotas.spend(DAY, 7)

    outbox = open_outbox()

    assert not outbox.quotas.spend(DAY, 4)
    assert outbox.quotas.spend(DAY, 3)


def test_what_was_held_and_not_spent_is_there_after_a_restart(open_outbox):
    open_outbox().quotas.spend(LARGE, 1)

    outbox = open_outbox()

    assert outbox.quotas.spend(LARGE, 49_999)
    assert not outbox.quotas.spend(LARGE, 1)


def test_a_clock_that_is_behind_counts_for_the_later_day(open_outbox):
    open_outbox().quotas.spend(TODAY, 10)

    assert not open_outbox().quotas.spend(DAY, 1)


def test_a_limit_that_was_raised_holds_at_once(open_outbox):
    open_outbox().quotas.spend(DAY, 10)

    assert open_outbox().quotas.spend(Quota("relay:main", 20_000, 12), 2)


def test_threads_together_spend_no_more_than_there_is(outbox):
    with ThreadPoolExecutor(8) as threads:
        spent = sum(threads.map(lambda _: outbox.quotas.spend(DAY, 1), range(40)))

    assert spent == 10
