"""What every outbox must do: events in an order that is final, a page at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.events import EventKind
from postroom_server.outbox.event_pages import START, EventQuery, Place
from postroom_server.outbox.store import Retention

from tests.support.builders import (
    DAY,
    NOW,
    a_content,
    a_deferral,
    a_finish,
    a_new_delivery,
)
from tests.support.outboxes import accept, settle

ACCEPTED, STARTED, DELIVERED, SETTLED = (
    EventKind.ACCEPTED,
    EventKind.ATTEMPT_STARTED,
    EventKind.DELIVERED,
    EventKind.SETTLED,
)
LONG = 60.0
"""Seconds."""


def pages(outbox, after=START, **query):
    """All pages from *after* on."""
    while True:
        page = outbox.events(EventQuery(after=after, **query))
        yield page
        after = page.place
        if page.is_last:
            return


def read(outbox, after=START, **query):
    """All events from *after* on."""
    return [event for page in pages(outbox, after, **query) for event in page.events]


def test_events_come_in_the_order_in_which_they_were_stored(outbox):
    delivery = settle(outbox)

    found = read(outbox)

    assert [e.event.kind for e in found] == [ACCEPTED, STARTED, DELIVERED, SETTLED]
    assert [e.sequence for e in found] == [1, 2, 3, 4]
    assert {e.source.delivery_id for e in found} == {delivery.id}


def test_an_event_is_read_back_as_it_was(outbox):
    delivery = accept(outbox, leased=True)
    change = a_deferral(delivery, Instant(NOW + DAY // 2))
    outbox.save(change)

    assert tuple(e.event for e in read(outbox)[2:]) == change.events


def test_an_event_tells_of_its_delivery(outbox):
    delivery = accept(
        outbox,
        tenant="a",
        request_id="r1",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        metadata=(("order", "1"), ("shop", 'a"b')),
        tags=("new", "Grüße"),
    )
    (found,) = read(outbox, tenant="a")

    source = found.source
    assert (source.delivery_id, source.tenant, source.relay) == (
        delivery.id,
        "a",
        "main",
    )
    assert (source.message_id, source.request_id) == (delivery.message_id, "r1")
    assert source.trace_id == delivery.trace_id
    assert (source.metadata, source.tags) == (delivery.metadata, delivery.tags)


def test_pages_follow_each_other_without_a_gap(outbox):
    for _ in range(3):
        settle(outbox)
    whole = read(outbox, limit=100)

    found = [*pages(outbox, limit=5)]

    assert [len(page.events) for page in found] == [5, 5, 2]
    assert [e for page in found for e in page.events] == whole
    assert [page.is_last for page in found] == [False, False, True]


def test_reading_goes_on_after_every_single_event(outbox):
    for _ in range(2):
        settle(outbox)
    whole = read(outbox)

    for position, event in enumerate(whole, 1):
        assert read(outbox, event.place) == whole[position:]


def test_the_end_is_where_nothing_has_come_yet(outbox):
    accept(outbox)
    end = outbox.events_end()
    nothing = outbox.events(EventQuery(after=end))
    later = accept(outbox)

    assert (nothing.events, nothing.is_last) == ((), True)
    assert [e.source.delivery_id for e in read(outbox, nothing.place)] == [later.id]


def test_an_empty_store_has_an_end(outbox):
    page = outbox.events(EventQuery(after=outbox.events_end()))

    assert (page.events, page.is_last) == ((), True)


def test_a_tenant_reads_its_own_alone(outbox):
    ours = accept(outbox, tenant="a")
    accept(outbox, tenant="b")

    assert [e.source.delivery_id for e in read(outbox, tenant="a")] == [ours.id]
    assert len(read(outbox)) == 2


def test_the_tenant_that_nobody_named_is_told_its_own_events_alone(outbox):
    accept(outbox, tenant="a")
    ours = accept(outbox)

    found = read(outbox, tenant="default")
    assert [e.source.delivery_id for e in found] == [ours.id]


def test_the_place_of_a_page_is_behind_what_was_not_the_tenant_s(outbox):
    accept(outbox, tenant="b")
    page = outbox.events(EventQuery(after=START, tenant="a"))

    assert page.events == ()
    assert read(outbox, page.place) == []


def test_some_deliveries_can_be_read_alone(outbox):
    first, _, third = (settle(outbox) for _ in range(3))
    foreign = settle(outbox, tenant="b")
    wanted = frozenset({first.id, third.id, foreign.id, "0" * 32})

    found = read(outbox, tenant="default", deliveries=wanted, limit=3)

    assert [e.source.delivery_id for e in found] == [first.id] * 4 + [third.id] * 4


def test_what_occurred_before_a_time_can_be_left_out(outbox):
    accept(outbox, accepted_at=Instant(NOW - DAY))
    young = accept(outbox)

    found = read(outbox, tenant="default", since=NOW)

    assert [e.source.delivery_id for e in found] == [young.id]


def test_purged_events_are_left_out_and_the_others_keep_their_places(outbox):
    settle(outbox)
    kept = accept(outbox)
    before = {e.sequence: e.place for e in read(outbox)[4:]}
    later = Instant(NOW + 8 * DAY)
    retention = Retention(content=DAY, deliveries=1e9)
    while outbox.purge(later, retention):
        pass

    found = read(outbox)

    assert {e.source.delivery_id for e in found} == {kept.id}
    assert {e.sequence: e.place for e in found} == before


def test_a_store_that_is_opened_again_goes_on_where_it_was(open_outbox):
    outbox = open_outbox()
    accept(outbox)
    place, epoch = outbox.events_end(), outbox.epoch
    outbox = open_outbox()
    later = accept(outbox)

    assert outbox.epoch == epoch
    assert [e.source.delivery_id for e in read(outbox, place)] == [later.id]


def test_a_place_beyond_the_end_is_not_gone_back_from(outbox):
    # So far that others, who use the same database, don't come there meanwhile.
    beyond = Place(outbox.events_end().transaction + 1_000_000, 1 << 40)

    # The end may have moved on meanwhile: others use the same database.
    assert outbox.events(EventQuery(after=beyond)).place >= beyond


@pytest.mark.parametrize("limit", [3, 500])
def test_a_reader_beside_eight_writers_misses_nothing(outbox, limit):
    writers, mails = 8, 12
    begin = threading.Barrier(writers + 1, timeout=30)

    def write() -> None:
        begin.wait()
        for _ in range(mails):
            change = a_new_delivery(leased=True)
            outbox.accept(change, a_content(), None)
            outbox.save(a_finish(change.after))

    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write) for _ in range(writers)]
        begin.wait()
        found, place, began = [], START, time.monotonic()
        while len(found) < writers * mails * 4 and time.monotonic() - began < LONG:
            page = outbox.events(EventQuery(after=place, limit=limit))
            found += page.events
            place = page.place
        for one in writing:
            one.result(30)

    by_delivery: dict[str, list[int]] = {}
    for event in found:
        by_delivery.setdefault(event.source.delivery_id, []).append(event.sequence)
    assert len(by_delivery) == writers * mails
    assert set(map(tuple, by_delivery.values())) == {(1, 2, 3, 4)}


def test_of_several_recipients_each_has_its_event(outbox):
    change = a_new_delivery("a@example.com", "b@example.com", leased=True)
    outbox.accept(change, a_content(), None)
    finish = a_finish(change.after)
    outbox.save(finish)

    found = [e.event for e in read(outbox) if e.event.kind is DELIVERED]

    assert [e.recipient for e in found] == ["a@example.com", "b@example.com"]
