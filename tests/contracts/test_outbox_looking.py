"""What every outbox must do: telling what it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import COUNTED, Counters
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.submission import Completion
from postroom_server.outbox.store import DeliveryQuery, QueueDepth

from tests.support.builders import (
    NOW,
    SECOND,
    a_content,
    a_deferral,
    a_finish,
    a_new_delivery,
    a_plan,
)
from tests.support.outboxes import accept, first_due, listed

LATER = Instant(NOW + SECOND)


@pytest.mark.parametrize("retries", [False, True])
def test_an_empty_lane_is_never_due(outbox, retries):
    assert first_due(outbox, retries=retries) is None


def test_a_lane_is_due_when_its_first_delivery_is(outbox):
    accept(outbox, due_at=Instant(NOW + 5))
    accept(outbox, due_at=Instant(NOW + 3))
    accept(outbox, due_at=Instant(NOW + 1), relay="other")

    assert first_due(outbox, retries=False) == NOW + 3


def test_what_was_under_way_when_the_store_was_opened_is_told(open_outbox):
    outbox = open_outbox()
    left = accept(outbox, leased=True)
    outbox.save(a_finish(accept(outbox, leased=True)))
    accept(outbox)
    outbox = open_outbox()
    accept(outbox, leased=True)

    assert outbox.leased() == [left]


def test_what_was_under_way_and_is_settled_now_is_not_told(open_outbox):
    outbox = open_outbox()
    left = accept(outbox, leased=True)
    outbox = open_outbox()
    outbox.save(a_finish(left))

    assert outbox.leased() == []


def test_what_waits_is_told_by_completion_oldest_first(outbox):
    relayed = a_plan(completion=Completion.RELAYED)
    accept(outbox)
    second = accept(outbox, plan=relayed, accepted_at=Instant(NOW + 1))
    first = accept(outbox, plan=relayed)
    outbox.save(a_finish(accept(outbox, plan=relayed, leased=True)))
    deferred = a_deferral(
        accept(outbox, plan=relayed, leased=True, accepted_at=Instant(NOW - 1)), NOW
    )
    outbox.save(deferred)
    accept(outbox, plan=relayed, leased=True)
    waiting = outbox.waiting(Completion.RELAYED)

    assert list(waiting) == [deferred.after, first, second]


def test_the_depth_counts_each_live_delivery_once(outbox):
    oldest = Instant(NOW - SECOND)
    accept(outbox, due_at=oldest)
    accept(outbox)
    accept(outbox, due_at=Instant(NOW + SECOND))
    outbox.save(a_deferral(accept(outbox, leased=True), Instant(NOW + SECOND)))
    accept(outbox, leased=True)
    accept(outbox, relay="other")
    outbox.save(a_finish(accept(outbox, leased=True)))

    assert outbox.depth(NOW) == QueueDepth(3, 1, 1, 1, oldest)
    assert outbox.depth(NOW, "main") == QueueDepth(2, 1, 1, 1, oldest)
    assert outbox.depth(NOW, "none") == QueueDepth()


def test_what_is_counted_is_added_name_by_name(outbox):
    counts = Counters(*range(1, len(COUNTED) + 1))
    for _ in range(3):
        change = a_new_delivery()
        outbox.accept(replace(change, counters=counts), a_content(), None)

    assert outbox.counters() == Counters(*(3 * n for n in range(1, len(COUNTED) + 1)))
    assert outbox.counters_by_tenant("main") == {"default": outbox.counters()}


def test_each_tenant_has_a_queue_and_counters_of_its_own(outbox):
    oldest = Instant(NOW - SECOND)
    accept(outbox, tenant="acme", due_at=oldest)
    accept(outbox, tenant="acme", relay="other")
    accept(outbox, tenant="acme", leased=True)
    for tenant in ("bravo", "bravo", "bravo", "charlie"):
        outbox.save(a_deferral(accept(outbox, tenant=tenant, leased=True), LATER))
    waits = {
        "acme": QueueDepth(2, 0, 0, 1, oldest),
        "bravo": QueueDepth(0, 0, 3, 0, None),
        "charlie": QueueDepth(0, 0, 1, 0, None),
    }
    counted = outbox.counters_by_tenant(most=2)

    assert outbox.depth_by_tenant(NOW) == waits
    assert outbox.depth_by_tenant(NOW, tenant="bravo") == {"bravo": waits["bravo"]}
    assert outbox.depth_by_tenant(NOW, "other") == {"acme": QueueDepth(1, 0, 0, 0, NOW)}
    assert {t: c.accepted for t, c in counted.items()} == {"acme": 3, "bravo": 3}
    assert outbox.counters_by_tenant(tenant="bravo") == {"bravo": counted["bravo"]}
    assert outbox.counters_by_tenant("other")["acme"].accepted == 1
    assert outbox.counters_by_tenant(tenant="none") == {}


def test_the_newest_acceptance_is_listed_first_and_ties_by_id(outbox):
    old = accept(outbox)
    first, second = (accept(outbox, accepted_at=Instant(NOW + 1)) for _ in "ab")

    newest_first = [second.id, first.id, old.id]

    assert listed(outbox) == newest_first
    assert listed(outbox, recipient="bob@example.com") == newest_first


def test_pages_follow_each_other_without_gap_or_overlap(outbox):
    for age in (0, 1, 1, 1, 2):
        accept(outbox, accepted_at=Instant(NOW + age))
    whole = listed(outbox)
    pages, before = [], None
    while page := outbox.list(DeliveryQuery(tenant="default", limit=2, before=before)):
        pages += [delivery.id for delivery in page]
        before = (page[-1].accepted_at, page[-1].id)

    assert pages == whole
    assert len(whole) == 5


@pytest.mark.parametrize("by", ["tag", "pair", "both"])
def test_pages_by_label_follow_each_other_without_gap_or_overlap(outbox, by):
    labels = {"tags": ("red",), "metadata": (("n", "1"),)}
    for age in (0, 1, 1, 1, 2):
        accept(outbox, accepted_at=Instant(NOW + age), **labels)
        accept(outbox, accepted_at=Instant(NOW + age), tags=("red",))
    conditions = {
        "tag": {"tag": "red", "recipient": "bob@example.com"},
        "pair": {"metadata": (("n", "1"),)},
        "both": {"tag": "red", "metadata": (("n", "1"),)},
    }[by]
    whole = listed(outbox, **conditions)
    pages, before = [], None
    while page := outbox.list(
        DeliveryQuery(tenant="default", limit=2, before=before, **conditions)
    ):
        pages += [delivery.id for delivery in page]
        before = (page[-1].accepted_at, page[-1].id)

    assert pages == whole
    assert len(whole) == (10 if by == "tag" else 5)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"statuses": frozenset({DeliveryStatus.QUEUED})}, "c"),
        ({"statuses": frozenset({DeliveryStatus.SUCCESS})}, "a"),
        (
            {"statuses": frozenset({DeliveryStatus.SUCCESS, DeliveryStatus.SENDING})},
            "ba",
        ),
        ({"relay": "other"}, "b"),
        ({"recipient": "bob@example.com"}, "ca"),
        ({"recipient": "nobody@example.com"}, ""),
        ({"message_id": "<b@example.org>"}, "b"),
        ({"tag": "red"}, "ba"),
        ({"tag": "blue"}, "b"),
        ({"tag": "Red"}, ""),
        ({"tag": "1"}, ""),
        ({"metadata": (("n", "1"),)}, "cb"),
        ({"metadata": (("n", "1"), ("m", "2"))}, "c"),
        ({"metadata": (("n", "1"), ("m", "1"))}, ""),
        ({"metadata": (("n", ""),)}, ""),
        ({"tag": "red", "metadata": (("n", "1"),)}, "b"),
        ({"tag": "red", "recipient": "bob@example.com"}, "a"),
        ({"tag": "red", "recipient": "bob@example.com", "relay": "other"}, ""),
        ({"tag": "red", "message_id": "<b@example.org>"}, "b"),
        ({"tag": "blue", "message_id": "<c@example.org>"}, ""),
        ({"tag": "red", "statuses": frozenset({DeliveryStatus.SUCCESS})}, "a"),
        (
            {"metadata": (("n", "1"),), "statuses": frozenset({DeliveryStatus.QUEUED})},
            "c",
        ),
        ({"tag": "red", "accepted_from": NOW + 1}, "b"),
        ({"tag": "red", "metadata": (("n", "1"),), "accepted_before": NOW + 1}, ""),
        ({"tag": "red", "tenant": "other"}, "d"),
        ({"tag": "red", "limit": 1}, "b"),
        ({"accepted_from": NOW + 1}, "cb"),
        ({"accepted_before": NOW + 1}, "a"),
        ({"relay": "main", "recipient": "bob@example.com", "limit": 1}, "c"),
    ],
    ids=str,
)
def test_all_conditions_of_a_list_hold(outbox, conditions, expected):
    outbox.save(a_finish(accept(outbox, leased=True, id="a", tags=("red",))))
    accept(outbox, id="d", tenant="other", tags=("red",), metadata=(("n", "1"),))
    accept(
        outbox,
        "cy@example.com",
        id="b",
        tags=("blue", "red"),
        metadata=(("n", "1"),),
        relay="other",
        leased=True,
        accepted_at=NOW + 1,
    )
    accept(
        outbox,
        "cy@example.com",
        "bob@example.com",
        id="c",
        accepted_at=NOW + 2,
        metadata=(("m", "2"), ("n", "1")),
    )

    assert "".join(listed(outbox, **conditions)) == expected
