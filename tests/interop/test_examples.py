"""The example clients in other languages, against the real service."""

from __future__ import annotations

import grpc
import pytest
from postroom.v1 import delivery_pb2, send_pb2
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.examples import BUILD, LANGUAGES, built
from tests.support.fake_service import FakeService, Refusal, serving
from tests.support.service import plain, running

pytestmark = [pytest.mark.interop, pytest.mark.timeout(BUILD + 60)]


@pytest.fixture(params=LANGUAGES)
def client(request):
    return built(request.param)


@pytest.fixture
def service(tmp_path):
    with (
        SandboxRelay() as relay,
        running(
            tmp_path,
            {"main": plain(relay.port, from_address="me@example.com")},
            relay,
        ) as service,
    ):
        yield service


@pytest.fixture
def fake():
    with serving() as service:
        yield service


def unavailable(**more):
    return Refusal(code=grpc.StatusCode.UNAVAILABLE, **more)


def a_success():
    result = delivery_pb2.DeliveryResult(
        status=delivery_pb2.DELIVERY_STATUS_SUCCESS, delivery="deliveries/1"
    )
    return send_pb2.SendMessageResponse(result=result)


def test_a_mail_arrives(client, service):
    done = client("ada@example.com", target=service.app.server.address)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SUCCESS deliveries/")
    (received,) = service.relay.messages
    assert b"\r\nSubject: Hello from " in received.data


def test_each_recipient_s_fate_is_told_in_the_relay_s_words(client, service):
    people = ("ada@example.com", "bounce@example.com")
    done = client(*people, target=service.app.server.address)

    assert done.returncode == 1
    assert done.stdout.startswith("PARTIAL deliveries/")
    assert "  ada@example.com DELIVERED 250 2.0.0 " in done.stdout
    assert "  bounce@example.com REFUSED 550 5.1.1 " in done.stdout


def test_every_problem_of_a_refused_mail_is_told_by_field(client, service):
    done = client("nobody", "a@example.com", "x", target=service.app.server.address)

    assert done.returncode == 2
    assert "message.to[0].address: " in done.stderr
    assert "message.to[2].address: " in done.stderr
    assert "INVALID_MESSAGE: nothing was sent" in done.stderr
    assert service.relay.messages == ()


def test_the_same_request_id_makes_no_second_mail(client, service):
    command = ("--request-id", "order-1001", "ada@example.com")
    first, second = (client(*command, target=service.app.server.address) for _ in "12")

    assert first.stdout == second.stdout
    assert len(service.relay.messages) == 1


def test_unavailable_is_tried_again_with_the_same_request(client, fake: FakeService):
    fake.script(
        "SendMessage", unavailable(reason="OVERLOADED"), unavailable(), a_success()
    )
    done = client("ada@example.com", target=fake.target)

    assert done.returncode == 0, done.stderr
    assert [r == fake.requests[0] for r in fake.requests] == [True, True, True]
    assert fake.requests[0].request_id


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "INTERNAL", "ABORTED"])
def test_nothing_else_is_tried_again(client, fake: FakeService, code):
    fake.script("SendMessage", Refusal(code=grpc.StatusCode[code]))
    done = client("--request-id", "order-1", "ada@example.com", target=fake.target)

    assert done.returncode == 2
    assert len(fake.requests) == 1
    assert "may have been sent" in done.stderr
    assert "-request-id order-1" in done.stderr


def test_an_error_of_another_domain_leaves_it_open(client, fake: FakeService):
    refusal = Refusal(
        code=grpc.StatusCode.ABORTED, reason="NOT_OURS", domain="proxy.example"
    )
    fake.script("SendMessage", refusal)
    done = client("ada@example.com", target=fake.target)

    assert "nothing was sent" not in done.stderr


def test_the_deadline_reaches_the_service(client, fake: FakeService):
    fake.script("SendMessage", a_success())
    client("ada@example.com", target=fake.target)

    assert 0 < fake.times[0] <= 30


def test_a_token_never_travels_in_plain_text(client, fake: FakeService):
    done = client("ada@example.com", target=fake.target, POSTROOM_TOKEN="canary-1f0c")

    assert done.returncode == 2
    assert fake.requests == []
    assert "canary" not in done.stdout + done.stderr
