"""The example clients in other languages, against the real service."""

from __future__ import annotations

import email
import email.policy

import grpc
import pytest
import trustme
from postroom.v1 import delivery_pb2, send_pb2
from postroom_server.config.tokens import digest_of
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.callers import a_caller, tls_files
from tests.support.examples import BUILD, LANGUAGES, built
from tests.support.fake_service import FakeService, Refusal, serving
from tests.support.service import plain, running

CALLER, STRANGER = a_caller(), a_caller()
LARGE = bytes(range(256)) * 4096 * 11
"""More than fits in one request."""

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


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "INTERNAL"])
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


@pytest.fixture
def guarded(tmp_path):
    """A service that wants TLS and a token, and the file with its authority."""
    files = tls_files(tmp_path)
    extra = f"""
        [server.tls]
        cert_file = "{files.cert}"
        key_file = "{files.key}"
        [credentials.web]
        token_sha256 = ["{digest_of(CALLER.token)}"]
    """
    relays = {"from_address": "me@example.com"}
    with (
        SandboxRelay() as relay,
        running(tmp_path, {"main": plain(relay.port, **relays)}, relay, extra) as found,
    ):
        yield found, str(files.authority)


def test_a_token_opens_the_door_that_tls_guards(client, guarded):
    service, authority = guarded
    trust = {"POSTROOM_CA_FILE": authority, "POSTROOM_TOKEN": CALLER.token}
    done = client("ada@example.com", target=service.app.server.address, **trust)

    assert done.returncode == 0, done.stderr
    assert len(service.relay.messages) == 1


def test_another_token_is_refused_and_not_shown(client, guarded):
    service, authority = guarded
    trust = {"POSTROOM_CA_FILE": authority, "POSTROOM_TOKEN": STRANGER.token}
    done = client("ada@example.com", target=service.app.server.address, **trust)

    assert done.returncode == 2
    assert "CREDENTIAL_REFUSED: nothing was sent" in done.stderr
    assert STRANGER.token not in done.stdout + done.stderr


def test_a_server_of_another_authority_is_not_trusted(client, guarded, tmp_path):
    service, _ = guarded
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    trust = {"POSTROOM_CA_FILE": str(stranger), "POSTROOM_TOKEN": CALLER.token}
    done = client("ada@example.com", target=service.app.server.address, **trust)

    assert done.returncode == 2
    assert service.relay.messages == ()


def a_file(folder, data):
    path = folder / "report.bin"
    path.write_bytes(data)
    return str(path)


def test_a_large_file_arrives_as_it_was(client, service, tmp_path):
    path = a_file(tmp_path, LARGE)
    to = ("ada@example.com",)
    done = client("--attach", path, *to, target=service.app.server.address)

    assert done.returncode == 0, done.stderr
    (received,) = service.relay.messages
    mail = email.message_from_bytes(received.data, policy=email.policy.default)
    (attachment,) = mail.iter_attachments()
    assert attachment.get_filename() == "report.bin"
    assert attachment.get_content() == LARGE


def test_a_file_that_is_too_large_is_refused_with_its_reason(client, service, tmp_path):
    path = a_file(tmp_path, LARGE * 3)
    to = ("ada@example.com",)
    done = client("--attach", path, *to, target=service.app.server.address)

    assert done.returncode == 2
    assert "INVALID_MESSAGE: nothing was sent" in done.stderr
    assert "parts/file: " in done.stderr


def test_a_file_that_can_t_be_read_sends_nothing(client, service, tmp_path):
    to = ("ada@example.com",)
    missing = str(tmp_path / "missing")
    done = client("--attach", missing, *to, target=service.app.server.address)

    assert done.returncode == 2
    assert "missing" in done.stderr
    assert service.relay.messages == ()
