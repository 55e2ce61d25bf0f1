"""Whatever is done to an outbox, it holds what a dictionary would hold."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import NOTHING
from postroom_server.domain.delivery import Delivery, DeliveryStatus, RecipientStatus
from postroom_server.domain.transitions import (
    Change,
    Fate,
    begin_attempt,
    hurry,
    mark_data,
    settle_open,
)
from postroom_server.outbox.store import Outbox, QueueDepth, RequestRecord, Retention

from tests.support.builders import (
    NOW,
    SECOND,
    a_content,
    a_deferral,
    a_finish,
    a_new_delivery,
    a_request,
)
from tests.support.clocks import FakeClock
from tests.support.outboxes import claim_whole, first_due, listed
from tests.support.stores import STORES

RELAYS = ("main", "other")
CANCELLED = Fate(status=RecipientStatus.CANCELLED)
RETENTION = Retention(content=60.0, deliveries=120.0, events=30.0)


class OutboxModel(RuleBasedStateMachine):
    """Deliveries by id, what each was before, request records, and all counts."""

    store = ""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock(NOW)
        self.deliveries: dict[str, Delivery] = {}
        self.older: dict[str, Delivery] = {}
        self.requests: dict[str, RequestRecord] = {}
        self.counters = NOTHING
        self.leased_at_open: dict[str, Delivery] = {}
        self.kept = STORES[self.store](self.folder)
        self.outbox = self.opened()

    def opened(self) -> Outbox:
        return self.kept.open(self.clock, [])

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.folder)

    def applied(self, change: Change) -> None:
        self.older[change.after.id] = change.before
        self.deliveries[change.after.id] = change.after
        self.counters += change.counters

    def known(self, request_id: str) -> RequestRecord | None:
        record = self.requests.get(request_id)
        return record if record and record.expires_at > self.clock.now() else None

    def saved(self, change: Change) -> None:
        stale = self.deliveries.get(change.before.id) != change.before
        same = self.deliveries.get(change.before.id) == change.after

        assert self.outbox.save(change) == (same or not stale)
        if not stale:
            self.applied(change)

    @rule(
        relay=st.sampled_from(RELAYS),
        leased=st.booleans(),
        delay=st.integers(-5, 5),
        lifetime=st.integers(1, 40),
        request_id=st.sampled_from(["", "r1", "r2"]),
    )
    def accept(self, relay, leased, delay, lifetime, request_id):
        now = self.clock.now()
        change = a_new_delivery(
            relay=relay,
            leased=leased,
            accepted_at=now,
            due_at=Instant(now + delay * SECOND),
            expire_at=Instant(now + lifetime * SECOND),
        )
        record = a_request(
            change.after, request_id, expires_at=Instant(now + 10 * SECOND)
        )
        expected = self.known(request_id)
        used = self.outbox.accept(change, a_content(), record if request_id else None)

        assert used == expected
        if used is None:
            self.applied(change)
            if request_id:
                self.requests[request_id] = record

    @rule(relay=st.sampled_from(RELAYS), retries=st.booleans(), limit=st.integers(1, 3))
    def claim(self, relay, retries, limit):
        now = self.clock.now()
        begun = []
        for delivery in self.lane(relay, retries=retries):
            if self.found_at(delivery) > now or len(begun) == limit:
                break
            if delivery.expire_at <= now:
                self.applied(self.expired(delivery))
            else:
                self.applied(begin_attempt(delivery, now))
                begun.append(self.deliveries[delivery.id])
        claimed = claim_whole(
            self.outbox, now, relay=relay, retries=retries, limit=limit
        )

        assert [one.delivery for one in claimed] == begun
        assert all(one.content == a_content() for one in claimed)

    @precondition(lambda self: self.deliveries)
    @rule(
        data=st.data(), step=st.sampled_from(["end", "defer", "hurry", "mark", "drop"])
    )
    def save(self, data, step):
        """A step made from the delivery as it is, or as it was."""
        delivery = data.draw(st.sampled_from(sorted(self.deliveries)))
        versions = [self.deliveries[delivery], self.older[delivery]]
        change = self.stepped(data.draw(st.sampled_from(versions)), step)
        if change is not None:
            self.saved(change)

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds):
        self.clock.advance(float(seconds))

    @rule()
    def reopen(self):
        self.outbox.close()
        self.outbox = self.opened()
        self.leased_at_open = {
            d.id: d for d in self.deliveries.values() if d.leased_at is not None
        }

    @rule()
    def purge(self):
        now = self.clock.now()
        self.outbox.purge(now, RETENTION)
        for delivery in list(self.deliveries.values()):
            if delivery.settled_at is None:
                continue
            age = (now - delivery.settled_at) / SECOND
            if age > RETENTION.deliveries:
                del self.deliveries[delivery.id], self.older[delivery.id]
            elif age > RETENTION.content and not delivery.content_purged:
                self.deliveries[delivery.id] = replace(
                    delivery,
                    version=delivery.version + 1,
                    content_purged=True,
                    subject="",
                )

    @invariant()
    def deliveries_are_the_same(self):
        for delivery_id, delivery in self.deliveries.items():
            held = self.outbox.get("default", delivery_id)
            content = self.outbox.content(delivery_id)

            assert held == delivery
            assert (content is None) == delivery.content_purged

    @invariant()
    def lists_are_the_same(self):
        newest = sorted(
            self.deliveries.values(), key=lambda d: (d.accepted_at, d.id), reverse=True
        )

        assert listed(self.outbox, limit=1000) == [d.id for d in newest]

    @invariant()
    def counts_are_the_same(self):
        assert self.outbox.counters() == self.counters
        assert self.counters.accepted == self.counters.ended + self.live()

    @invariant()
    def queues_are_the_same(self):
        now = self.clock.now()
        waits = [d for d in self.deliveries.values() if d.due_at is not None]
        due = [self.found_at(d) for d in waits if self.found_at(d) <= now]
        sending = sum(d.leased_at is not None for d in self.deliveries.values())
        later = [d.was_tried for d in waits if self.found_at(d) > now]
        expected = QueueDepth(
            due=len(due),
            scheduled=later.count(False),
            retrying=later.count(True),
            sending=sending,
            oldest_due_at=min(due, default=None),
        )

        assert self.outbox.depth(now) == expected
        for relay in RELAYS:
            for retries in (False, True):
                lane = [self.found_at(d) for d in self.lane(relay, retries=retries)]
                assert first_due(self.outbox, relay, retries=retries) == min(
                    lane, default=None
                )

    @invariant()
    def requests_are_the_same(self):
        for request_id in ("r1", "r2"):
            assert self.outbox.find("default", request_id) == self.known(request_id)

    @invariant()
    def what_was_under_way_is_the_same(self):
        """Where its mark was made since, it may be told still."""
        told = {d.id: d for d in self.outbox.leased()}
        still = {d.id for d in self.leased_at_open.values() if d in self.everything()}

        assert still <= told.keys() <= self.leased_at_open.keys()
        assert all(self.deliveries[i] == told[i] for i in told)
        assert all(d.leased_at is not None for d in told.values())

    def everything(self) -> list[Delivery]:
        return list(self.deliveries.values())

    def live(self) -> int:
        return sum(not d.status.is_final for d in self.deliveries.values())

    def lane(self, relay: str, *, retries: bool) -> list[Delivery]:
        found = [
            d
            for d in self.deliveries.values()
            if d.relay == relay and d.due_at is not None and d.was_tried == retries
        ]
        return sorted(found, key=lambda d: (self.found_at(d), d.id))

    def found_at(self, delivery: Delivery) -> int:
        assert delivery.due_at is not None
        return min(delivery.due_at, delivery.expire_at)

    def expired(self, delivery: Delivery) -> Change:
        recipient = delivery.recipients[0]
        fate = Fate(
            status=RecipientStatus.EXPIRED,
            reason=recipient.reason,
            reply=recipient.reply,
            detail="expired",
        )
        return settle_open(delivery, fate, self.clock.now())

    def stepped(self, delivery: Delivery, step: str) -> Change | None:
        now = self.clock.now()
        if delivery.status is DeliveryStatus.SENDING:
            steps = {
                "end": lambda: a_finish(delivery),
                "defer": lambda: a_deferral(delivery, Instant(now + 3 * SECOND)),
                "mark": lambda: mark_data(delivery),
            }
        elif delivery.due_at is not None:
            steps = {
                "hurry": lambda: hurry(delivery, now),
                "drop": lambda: settle_open(delivery, CANCELLED, now),
            }
        else:
            steps = {}
        return steps[step]() if step in steps else None


class OnMemory(OutboxModel):
    store = "memory"


class OnSqlite(OutboxModel):
    store = "sqlite"


class OnPostgres(OutboxModel):
    store = "postgres"


TestOnMemory = OnMemory.TestCase
TestOnSqlite = OnSqlite.TestCase
TestOnPostgres = OnPostgres.TestCase
TestOnMemory.settings = settings(max_examples=60, stateful_step_count=30)
TestOnSqlite.settings = settings(max_examples=30, stateful_step_count=30)
# Its steps go over a connection each.
TestOnPostgres.settings = settings(max_examples=8, stateful_step_count=30)
