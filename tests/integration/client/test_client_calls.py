from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import pytest
from postroom import (
    Client,
    Health,
    InvalidRequest,
    NotFound,
    RecipientStatus,
    Status,
    Unavailable,
)
from postroom.v1 import (
    connection_pb2,
    delivery_requests_pb2,
    send_pb2,
    server_info_pb2,
    stats_pb2,
)

from tests.integration.client.answers import (
    NAME,
    delivery,
    refused,
    result,
    sent,
    taken,
)
from tests.integration.client.clients import skip_pauses
from tests.support.fake_service import Refusal, serving
from tests.support.silence import nobody_listens

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}


def test_a_mail_is_sent_and_its_fate_told(client, service):
    people = [taken("ada@example.com"), refused("bob@example.com")]
    service.script("SendMessage", sent("PARTIAL", recipients=people))
    fate = client.send(**MAIL)

    (request,) = service.requests
    assert request.message.to[0].address == "ada@example.com"
    assert request.request_id
    assert fate.status is Status.PARTIAL
    assert fate.delivery == NAME
    assert fate.recipients[0].status is RecipientStatus.DELIVERED
    assert fate.recipient_failures["bob@example.com"].code == 550


def test_a_mail_that_is_not_valid_is_refused_with_all_reasons(client, service):
    wrong = (("message.subject", "is too long"), ("message.to", "is empty"))
    service.script(
        "SendMessage",
        Refusal(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason="INVALID_MESSAGE",
            violations=wrong,
        ),
    )
    with pytest.raises(InvalidRequest) as refusal:
        client.send(**MAIL)

    assert [v.field for v in refusal.value.violations] == [
        "message.subject",
        "message.to",
    ]
    assert refusal.value.result.status is Status.INVALID
    assert isinstance(refusal.value.__cause__, grpc.RpcError)


def test_what_the_client_finds_wrong_never_leaves(client, service):
    with pytest.raises(InvalidRequest):
        client.send(**MAIL | {"to": "a@example.com, b@example.com"})

    assert service.requests == []


def test_validating_sends_nothing_and_keeps_no_request_id(client, service):
    report = send_pb2.ValidationReport(size_bytes=420, warnings=["no text"])
    service.script("SendMessage", send_pb2.SendMessageResponse(validation=report))
    found = client.validate(**MAIL)

    assert found.size_bytes == 420
    assert found.warnings == ("no text",)
    assert service.requests[0].validate_only
    assert service.requests[0].request_id == ""


def test_a_delivery_is_got_by_name_or_by_request_id(client, service):
    answer = delivery_requests_pb2.GetDeliveryResponse(delivery=delivery())
    service.script("GetDelivery", answer, answer)
    found = [client.get("0198"), client.get(request_id="mine")]

    assert [one.name for one in found] == [NAME, NAME]
    assert service.requests[0].delivery == NAME
    assert service.requests[1].request_id == "mine"


def test_a_name_that_there_is_not_is_not_found(client, service):
    service.script(
        "GetDelivery",
        Refusal(code=grpc.StatusCode.NOT_FOUND, reason="DELIVERY_NOT_FOUND"),
    )

    with pytest.raises(NotFound, match="refused"):
        client.get("0198")


def test_a_list_goes_over_all_pages_as_they_are_needed(client, service):
    page = delivery_requests_pb2.ListDeliveriesResponse
    service.script(
        "ListDeliveries",
        page(deliveries=[delivery("deliveries/3")], next_page_token="more"),
        page(next_page_token="even more"),
        page(deliveries=[delivery("deliveries/2"), delivery("deliveries/1")]),
    )
    found = client.list(statuses="success")
    first = next(found)
    asked_first = len(service.requests)
    rest = [one.name for one in found]

    assert (first.name, asked_first) == ("deliveries/3", 1)
    assert rest == ["deliveries/2", "deliveries/1"]


def test_a_page_is_asked_for_by_the_token_of_the_one_before(client, service):
    tokens = []

    def page(token):
        def answer(request):
            tokens.append(request.page_token)
            return delivery_requests_pb2.ListDeliveriesResponse(next_page_token=token)

        return answer

    service.script("ListDeliveries", page("a"), page("b"), page(""))

    assert list(client.list()) == []
    assert tokens == ["", "a", "b"]


def test_a_delivery_is_taken_back(client, service):
    service.script(
        "CancelDelivery",
        delivery_requests_pb2.CancelDeliveryResponse(
            outcome=delivery_requests_pb2.CANCEL_OUTCOME_CANCELLED,
            result=result("CANCELLED"),
        ),
    )
    cancelled = client.cancel("0198")

    assert cancelled.outcome == "CANCELLED"
    assert cancelled.result.status is Status.CANCELLED
    assert service.requests[0].request_id


def test_a_delivery_is_moved(client, service):
    service.script(
        "RescheduleDelivery",
        delivery_requests_pb2.RescheduleDeliveryResponse(result=result("QUEUED")),
    )
    moved = client.reschedule("0198", send_at=timedelta(hours=1))
    (request,) = service.requests

    assert moved.status is Status.QUEUED
    assert request.delivery == "deliveries/0198"
    assert request.HasField("send_at")
    assert request.request_id


def test_a_delivery_goes_on(client, service):
    service.script(
        "RetryDelivery", delivery_requests_pb2.RetryDeliveryResponse(result=result())
    )
    fate = client.retry("0198", settlement="send-again")

    assert fate.delivered
    assert service.requests[0].delivery == NAME


def test_the_way_to_a_relay_is_tested(client, service):
    service.script(
        "TestConnection",
        connection_pb2.TestConnectionResponse(ok=True, diagnosis="fine"),
    )
    report = client.test_connection("main", verify_sender="me@example.com")

    assert report.ok
    assert report.diagnosis == "fine"
    assert service.requests[0].relay == "relays/main"
    assert service.requests[0].verify_sender == "me@example.com"


def test_the_numbers_are_told(client, service):
    counters = stats_pb2.DeliveryCounters(accepted=7)
    window = stats_pb2.WindowStats(window=stats_pb2.STATS_WINDOW_1M, counters=counters)
    service.script("GetStats", stats_pb2.GetStatsResponse(windows=[window]))
    stats = client.stats(include_relays=True)

    assert stats.windows[0].window == "1M"
    assert stats.windows[0].counters.accepted == 7
    assert service.requests[0].include_relays


def test_the_service_tells_what_it_is(client, service):
    limits = server_info_pb2.ServerLimits(max_recipients=100)
    service.script(
        "GetServerInfo",
        server_info_pb2.GetServerInfoResponse(version="0.1.0", limits=limits),
    )
    info = client.server_info()

    assert info.version == "0.1.0"
    assert info.limits.max_recipients == 100


def test_health_is_told_of_the_service_and_of_a_relay(client, service):
    service.health["relays/main"] = 2

    assert client.health() is Health.SERVING
    assert client.health("relays/main") is Health.NOT_SERVING
    with pytest.raises(NotFound):
        client.health("relays/other")


def test_a_socket_of_this_machine_is_a_target(connect, tmp_path):
    with (
        serving(f"unix:{tmp_path}/postroom.sock") as service,
        connect(service.target) as client,
    ):
        assert client.health() is Health.SERVING


def test_one_client_serves_many_threads(service):
    together = threading.Barrier(4)

    def send(number):
        together.wait(10)
        return client.send(**MAIL, request_id=str(number)).delivery

    service.script("SendMessage", *[sent()] * 4)
    with Client(service.target) as client, ThreadPoolExecutor(4) as threads:
        fates = list(threads.map(send, range(4)))

    assert fates == [NAME] * 4
    assert {request.request_id for request in service.requests} == set("0123")


def test_a_closed_client_says_so(connect, service):
    client = connect(service.target)
    client.close()
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        client.server_info()
    with pytest.raises(RuntimeError, match="closed"):
        client.health()


def test_nobody_at_the_target_is_told_in_plain_words(connect, pauses):
    with nobody_listens() as port, connect(f"127.0.0.1:{port}") as client:
        skip_pauses(client, pauses)
        with pytest.raises(Unavailable) as refusal:
            client.send(**MAIL)

    target = f"127.0.0.1:{port}"
    assert str(refusal.value) == f"no Postroom service at {target} (connection refused)"
    assert refusal.value.nothing_sent
    assert len(pauses) == 3
