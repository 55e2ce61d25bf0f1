"""What processes that share a store have under way, and what they leave behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from postroom_server.delivery.taking_over import TakingOver
from postroom_server.domain.attempt import AttemptOutcome
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.errors import NotReady
from postroom_server.domain.hold import Hold
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Completion
from postroom_server.outbox.postgres.node import LeaseSettings
from postroom_server.outbox.store import Retention
from postroom_server.outbox.works import Withdraw

from tests.support.builders import DAY, a_content, a_finish, a_new_delivery, a_plan
from tests.support.outboxes import accept, claim

PATIENCE = 30.0
CLOCK = SystemClock()
NEVER_RENEWED = LeaseSettings(length=0.4, renewed_every=3600.0, margin=0.1)
"""The lease of a process that stands still, and has nothing."""
LONG = LeaseSettings(length=120.0, renewed_every=3600.0)
"""The lease of one that has something; `stand_still` lets it end."""
NOTHING_KEPT = Retention(content=0.0, deliveries=0.0, events=0.0)


def now():
    return CLOCK.now()


def live(outbox, **fields):
    """A delivery accepted now, which expires tomorrow."""
    moment = now()
    times = {"accepted_at": moment, "due_at": moment}
    return accept(outbox, **times, expire_at=Instant(moment + DAY), **fields)


def until(told) -> None:
    """Wait until *told* is so; for what only time brings."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if told():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come")


def stand_still(outbox) -> None:
    """As if it had done so until its lease ended."""
    node = outbox._node
    link = node._connect(str)
    past = "UPDATE node SET until = clock_timestamp() - interval '1 s' WHERE owner = %s"
    assert link.raw.execute(past, (node.owner,)).rowcount == 1
    link.close()
    node._deadline = 0.0


def come_back(outbox) -> None:
    """Let who stood still look at its lease again, and keep it."""
    node = outbox._node
    node._settings = LeaseSettings()
    link = node._connect(str)
    node._renew(link)
    link.close()


def test_what_one_accepted_another_sees_and_claims(join):
    first, second = join(), join()
    delivery = live(first)

    assert second.get("default", delivery.id) == delivery
    assert [d.id for d in claim(second, now())] == [delivery.id]
    assert claim(first, now()) == []


def test_what_lives_has_under_way_is_nobody_elses(join):
    first = join()
    delivery = live(first, leased=True)

    assert join().leased() == []
    assert first.holds(delivery)


def test_what_one_left_that_closed_is_taken_over_by_one_other(join):
    first, second, third = join(), join(), join()
    delivery = live(first, leased=True)
    first.close()
    found = [*second.leased(), *third.leased()]

    assert found == [delivery]


def test_what_was_left_is_nobodys_while_the_store_is_on_hold(join):
    first, second = join(), join()
    delivery = live(first, leased=True)
    first.close()
    second.hold.begin(Hold("restored", now()))
    on_hold = second.leased()
    second.hold.end()

    assert (on_hold, second.leased()) == ([], [delivery])


def test_what_is_taken_back_leaves_no_lease(join):
    outbox = join()
    change = a_new_delivery(leased=True)
    outbox.accept(change, a_content(), None)
    outbox._committer.run(Withdraw(change, None))

    with outbox._readers.lend() as link:
        assert link.raw.execute("SELECT count(*) FROM lease").fetchall() == [(0,)]


def test_what_another_is_taking_over_is_not_taken_back(join, url):
    outbox = join()
    change = a_new_delivery(leased=True)
    outbox.accept(change, a_content(), None)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url) as another:
        another.execute("UPDATE delivery SET version = version + 1")
        taking_back = pool.submit(outbox._committer.run, Withdraw(change, None))
        until(lambda: _waits_for_a_lock(another))
        another.commit()
        taking_back.result(PATIENCE)

    assert outbox.get("default", change.after.id) is not None
    assert outbox.counters() == change.counters


def _waits_for_a_lock(link) -> bool:
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    return bool(link.execute(waiting).fetchall())


def test_a_lease_that_ended_is_taken_over_and_its_holder_knows(join):
    slow, other = join(LONG), join()
    delivery = live(slow, leased=True)
    stand_still(slow)

    assert other.leased() == [delivery]
    assert not slow.holds(delivery)


def test_who_lost_its_lease_claims_nothing(join):
    slow = join(LONG)
    live(slow)
    stand_still(slow)

    assert claim(slow, now()) == []
    assert len(claim(join(), now())) == 1


def test_who_lost_its_lease_takes_no_mail_until_it_has_another(join):
    slow, other = join(NEVER_RENEWED), join()
    until(lambda: not slow._node.is_live)
    with pytest.raises(NotReady):
        live(slow, leased=True)
    come_back(slow)
    until(lambda: slow.is_ready)
    delivery = live(slow, leased=True)

    assert slow.holds(delivery)
    assert other.leased() == []


def test_the_outcome_of_one_that_was_taken_over_is_stored_by_one_of_both(join):
    slow, other = join(LONG), join()
    delivery = live(slow, leased=True)
    stand_still(slow)
    assert other.leased() == [delivery]
    TakingOver(other, CLOCK, lambda _: True).run_once()
    come_back(slow)

    assert not slow.save(a_finish(delivery))
    (attempt,) = other.get("default", delivery.id).attempts
    assert attempt.outcome is AttemptOutcome.UNCERTAIN
    assert other.leased() == []


def test_who_comes_back_under_a_new_name_does_not_hold_what_it_had(join):
    outbox = join()
    delivery = live(outbox, leased=True)
    node = outbox._node
    link = node._connect(str)
    link.run("deregister", (node.owner,))
    node._renew(link)
    link.close()

    assert node.was_lost
    assert not outbox.holds(delivery)
    assert outbox.holds(live(outbox, leased=True))
    assert outbox.leased() == [delivery]


def test_a_lease_that_ended_can_not_be_renewed_though_nobody_noticed(join):
    slow, other = join(LONG), join()
    delivery = live(slow, leased=True)
    stand_still(slow)
    node = slow._node
    link = node._connect(str)
    node._renew(link)
    link.close()

    assert node.was_lost
    assert not slow.holds(delivery)
    assert other.leased() == [delivery]


def test_what_is_relayed_waits_where_its_caller_does(join):
    first, second = join(), join()
    relayed = a_plan(completion=Completion.RELAYED)
    delivery = live(first, plan=relayed)

    assert second.claim("main", now(), {LaneKey(tenant="default"): 5}) == []
    assert second.waiting(Completion.RELAYED) == []
    assert [d.id for d in claim(first, now())] == [delivery.id]


def test_what_waited_for_a_caller_that_is_gone_is_for_everybody(join):
    first, second = join(), join()
    delivery = live(first, plan=a_plan(completion=Completion.RELAYED))
    first.close()
    second.leased()

    assert [d.id for d in second.waiting(Completion.RELAYED)] == [delivery.id]
    assert [d.id for d in claim(second, now())] == [delivery.id]


def test_others_hear_of_what_became_due(join):
    first, second = join(), join()
    heard, came = [], threading.Event()

    def hear(relay):
        heard.append(relay)
        came.set()

    second.listen(hear)
    live(first)
    # The listener may have connected after the first notice.
    until(lambda: came.is_set() or (live(first) and False))

    assert set(heard) == {"main"}


def test_who_hears_nothing_for_a_while_goes_on_listening(join):
    link = join()._node._connect(str)
    heard = list(link.raw.notifies(timeout=0.01))
    is_open = not link.raw.closed
    link.close()

    assert heard == []
    assert is_open


def test_purging_is_for_one_at_a_time(join):
    first, second = join(), join()
    first.save(a_finish(live(first, leased=True)))
    later = Instant(now() + DAY)
    with first._readers.lend() as link, link.transaction():
        link.run("purge_alone").fetchall()

        assert second.purge(later, NOTHING_KEPT) == 0
    assert second.purge(later, NOTHING_KEPT) > 0
