from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import delivery_requests_pb2 as wire
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.errors import InvalidArgument
from postroom_server.domain.limits import Limits
from postroom_server.outbox.store import DeliveryQuery
from postroom_server.rpc.convert.listing import PAGE_BYTES, delivery_query, page

from tests.support.deliveries import NOW, a_delivery

DELIVERIES = [
    a_delivery(R.DELIVERED, id=f"{n:032x}", accepted_at=Instant(NOW + n))
    for n in range(5, 0, -1)
]


def a_request(**fields: object) -> wire.ListDeliveriesRequest:
    return wire.ListDeliveriesRequest(**fields)


def query(**fields: object) -> DeliveryQuery:
    return delivery_query(a_request(**fields), "default")


def shown(found, size, **limits):
    return page(found, Limits(), size, full=False)


@pytest.mark.parametrize(
    ("asked", "size"),
    [(0, 50), (1, 1), (499, 499), (500, 500), (501, 500), (2**31 - 1, 500)],
)
def test_a_page_has_the_size_asked_for_within_bounds(asked, size):
    # One more, to learn whether there is another page.
    assert query(page_size=asked).limit == size + 1


def test_every_condition_reaches_the_query():
    filter_ = wire.DeliveryFilter(
        statuses=[3, 4],
        relay="relays/main",
        recipient="Ada@Bücher.Example",
        tag="welcome",
        metadata={"order": "17", "customer": "4"},
        message_id="<1@example.com>",
        accepted_from=Timestamp(seconds=1),
        accepted_before=Timestamp(seconds=2),
    )

    assert len(filter_.ListFields()) == len(filter_.DESCRIPTOR.fields)
    assert query(filter=filter_, page_size=7) == DeliveryQuery(
        tenant="default",
        statuses=frozenset({DeliveryStatus.RETRY, DeliveryStatus.SUCCESS}),
        relay="main",
        recipient="Ada@xn--bcher-kva.example",
        tag="welcome",
        metadata=(("customer", "4"), ("order", "17")),
        message_id="<1@example.com>",
        accepted_from=Instant(1_000_000),
        accepted_before=Instant(2_000_000),
        limit=8,
    )


def test_no_filter_finds_all_of_the_tenant():
    assert query() == DeliveryQuery(tenant="default", limit=51)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"page_size": -1}, "page_size"),
        ({"filter": {"statuses": [4] * 21}}, "filter.statuses"),
        ({"filter": {"statuses": [4, 0]}}, "filter.statuses[1]"),
        ({"filter": {"relay": "main"}}, "filter.relay"),
        ({"filter": {"recipient": "ada"}}, "filter.recipient"),
        ({"filter": {"tag": "two words"}}, "filter.tag"),
        ({"filter": {"tag": "x" * 65}}, "filter.tag"),
        ({"filter": {"metadata": dict.fromkeys("abcdef", "")}}, "filter.metadata"),
        ({"filter": {"metadata": {"Order": "17"}}}, "filter.metadata"),
        ({"filter": {"metadata": {"a": "x" * 257}}}, "filter.metadata[a]"),
        ({"filter": {"accepted_from": Timestamp(nanos=-1)}}, "filter.accepted_from"),
        (
            {"filter": {"accepted_before": Timestamp(nanos=-1)}},
            "filter.accepted_before",
        ),
    ],
)
def test_a_condition_that_is_none_is_refused_with_its_path(fields, path):
    with pytest.raises(InvalidArgument) as caught:
        query(**fields)

    assert [p.field for p in caught.value.problems] == [path]


def test_twenty_statuses_are_not_too_many():
    assert query(filter={"statuses": [4] * 20}).statuses == {DeliveryStatus.SUCCESS}


def test_five_pairs_are_not_too_many():
    asked = dict.fromkeys("abcde", "x" * 256)

    assert query(filter={"metadata": asked}).metadata == tuple(asked.items())


def test_a_page_keeps_the_order_of_the_store():
    entries = shown(DELIVERIES, 10).entries

    assert [e.name for e in entries] == [d.name for d in DELIVERIES]


def test_the_last_page_leads_nowhere():
    assert shown(DELIVERIES, 5).last is None


def test_a_page_leads_to_what_follows_its_last_delivery():
    found = shown(DELIVERIES, 4)

    assert len(found.entries) == 4
    assert found.last == (DELIVERIES[3].accepted_at, DELIVERIES[3].id)


def test_no_delivery_is_an_empty_page():
    assert (shown([], 5).entries, shown([], 5).last) == ([], None)


def test_a_page_ends_at_one_mebibyte():
    heavy = [replace(d, subject="x" * (PAGE_BYTES // 3)) for d in DELIVERIES]
    found = shown(heavy, 5)
    answer = wire.ListDeliveriesResponse(deliveries=found.entries)

    assert len(found.entries) == 2
    assert answer.ByteSize() <= PAGE_BYTES
    assert found.last == (heavy[1].accepted_at, heavy[1].id)


def test_a_delivery_larger_than_a_page_has_one_of_its_own():
    heavy = [replace(d, subject="x" * 2 * PAGE_BYTES) for d in DELIVERIES]

    assert len(shown(heavy, 5).entries) == 1


@pytest.mark.parametrize("full", [False, True])
def test_a_page_shows_as_much_as_asked_for(full):
    entry = page(DELIVERIES[:1], Limits(), 1, full=full).entries[0]

    assert bool(entry.result.recipients) is full
