"""The methods that only tell, through a real server and a scripted engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from postroom.v1 import (
    connection_pb2,
    server_info_pb2,
    stats_pb2,
)
from postroom.v1 import delivery_requests_pb2 as looking
from postroom_server.delivery.statistics import Include
from postroom_server.domain.attempt import Phase
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.counters import Counters
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.stats import (
    QueueStats,
    StatsReport,
    StatsWindow,
    WindowStats,
)
from postroom_server.smtp.probe_report import ProbeReport, Stage, StageResult

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW, a_delivery
from tests.support.scripted_engine import CALL, ScriptedEngine, behaviours

SENT = replace(a_delivery(R.DELIVERED), id="7" * 32, sent_at=NOW)
PROBED = ProbeReport(
    stages=(Stage(phase=Phase.DNS, result=StageResult.OK),),
    tls=None,
    extensions=(),
    auth_mechanism="",
    size_limit=None,
    seconds=0.5,
)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stub(serve, engine, clock):
    return serve(behaviours(engine, clock)).stub()


def paths(refusal) -> list[str]:
    return [v.field for v in refusal.bad_request.field_violations]


DELIVERIES = [
    replace(SENT, id=f"{n:032x}", accepted_at=Instant(NOW + n // 2))
    for n in range(7, 0, -1)
]


def listed(stub, **fields: Any) -> looking.ListDeliveriesResponse:
    return stub.ListDeliveries(looking.ListDeliveriesRequest(**fields), timeout=CALL)


def test_pages_hold_every_delivery_once(engine, stub):
    engine.answer = DELIVERIES
    names, token = [], ""
    for _ in range(3):
        page = listed(stub, page_size=3, page_token=token)
        names += [d.name for d in page.deliveries]
        token = page.next_page_token

    assert names == [d.name for d in DELIVERIES]
    assert token == ""


@pytest.mark.parametrize(
    ("view", "full"),
    [
        (looking.DELIVERY_VIEW_UNSPECIFIED, False),
        (looking.DELIVERY_VIEW_BASIC, False),
        (looking.DELIVERY_VIEW_FULL, True),
    ],
)
def test_lists_are_brief_unless_asked(engine, stub, view, full):
    engine.answer = DELIVERIES
    page = listed(stub, view=view)

    assert bool(page.deliveries[0].result.recipients) is full


def test_a_filter_reaches_the_store(engine, stub):
    engine.answer = []
    listed(stub, filter={"relay": "relays/main", "statuses": [DeliveryStatus.RETRY]})

    ((_, query),) = engine.calls
    assert (query.relay, query.statuses) == ("main", {DeliveryStatus.RETRY})


def test_a_list_of_an_unknown_relay_is_refused(stub, refused):
    request = looking.ListDeliveriesRequest(filter={"relay": "relays/none"})

    assert refused(stub.ListDeliveries, request).info.reason == "RELAY_NOT_FOUND"


def test_a_page_token_belongs_to_its_filter(engine, stub, refused):
    engine.answer = DELIVERIES
    request = looking.ListDeliveriesRequest(
        page_token=listed(stub, page_size=3).next_page_token,
        filter={"message_id": "<2@example.com>"},
    )

    assert refused(stub.ListDeliveries, request).info.reason == "INVALID_TOKEN"


def test_a_page_token_ends_after_a_day(engine, stub, clock, refused):
    engine.answer = DELIVERIES
    token = listed(stub, page_size=3).next_page_token
    request = looking.ListDeliveriesRequest(page_token=token)
    clock.advance(86_401)

    assert refused(stub.ListDeliveries, request).info.reason == "INVALID_TOKEN"


@pytest.mark.parametrize("relay", ["", "relays/main"])
def test_the_way_to_a_relay_is_tested(engine, stub, relay):
    engine.answer = PROBED
    request = connection_pb2.TestConnectionRequest(
        relay=relay, verify_sender="me@Bücher.example"
    )
    response = stub.TestConnection(request, timeout=CALL)

    assert (response.ok, response.relay) == (True, "relays/main")
    ((_, name, sender, limit),) = engine.calls
    assert (name, sender) == ("relays/main", "me@xn--bcher-kva.example")
    assert limit > 0


def test_without_a_sender_the_relays_own_is_tested(engine, stub):
    engine.answer = PROBED
    stub.TestConnection(connection_pb2.TestConnectionRequest(), timeout=CALL)

    assert engine.calls[0][2] == ""


@pytest.mark.parametrize(
    ("fields", "reason", "where"),
    [
        ({"relay": "relays/none"}, "RELAY_NOT_FOUND", []),
        ({"relay": "none"}, "INVALID_REQUEST", ["relay"]),
        ({"verify_sender": "me"}, "INVALID_REQUEST", ["verify_sender"]),
        (
            {"verify_sender": "me@example.com\r\nRCPT TO:<x@example.com>"},
            "INVALID_REQUEST",
            ["verify_sender"],
        ),
    ],
)
def test_a_test_that_cannot_be_made_is_refused(
    engine, stub, refused, fields, reason, where
):
    request = connection_pb2.TestConnectionRequest(**fields)
    refusal = refused(stub.TestConnection, request)

    assert (refusal.info.reason, paths(refusal)) == (reason, where)
    assert engine.calls == []


def test_the_numbers_are_told(engine, stub):
    window = WindowStats(
        window=StatsWindow.ALL, length=60.0, counters=Counters(accepted=7)
    )
    engine.answer = StatsReport(
        taken_at=after(NOW, 60),
        started_at=NOW,
        instance="0a1b",
        windows=(window,),
        queue=QueueStats(due=3),
    )
    request = stats_pb2.GetStatsRequest(relay="relays/main", include_latencies=True)
    response = stub.GetStats(request, timeout=CALL)

    assert response.windows[0].counters.accepted == 7
    assert response.queue.due == 3
    assert engine.calls == [("stats", "relays/main", "", Include(latencies=True))]


def test_the_server_tells_about_itself(stub, clock):
    clock.advance(60)
    request = server_info_pb2.GetServerInfoRequest()
    response = stub.GetServerInfo(request, timeout=CALL)

    assert response.instance == "0a1b"
    assert response.server_time.ToMicroseconds() == after(NOW, 60)
    assert response.limits.max_recipients == 100
