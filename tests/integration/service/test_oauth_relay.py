"""The service with a relay that wants tokens: aiosmtpd judges what we say."""

from __future__ import annotations

import base64
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom_server.config import load_config, print_config

from tests.support import certificates
from tests.support.service import running, settings
from tests.support.sources import ROOT

GOOD, STALE = "good-token-31be", "stale-token-77ab"
EXAMPLE = ROOT / "examples/oauth_token.py"
PATIENCE = 10.0


class OAuthRelay(Controller):
    """Takes mail from those who say *GOOD*."""

    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(
            self,
            hostname="127.0.0.1",
            port=0,
            tls_context=certificates.good(),
            require_starttls=True,
            auth_required=True,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
        )

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    async def auth_XOAUTH2(self, server, args):  # noqa: N802  aiosmtpd's name
        if len(args) > 1:
            said = base64.b64decode(args[1], validate=True)
        else:
            said = await server.challenge_auth("")
        self.said.append(said.decode())
        if said == f"user=ada@example.com\1auth=Bearer {GOOD}\1\1".encode():
            return AuthResult(success=True)
        answer = await server.challenge_auth('{"status":"401","schemes":"bearer"}')
        assert answer == b""
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  its name
        return "250 2.0.0 kept"


@pytest.fixture
def relay():
    controller = OAuthRelay()
    controller.start()
    yield controller
    controller.stop(no_assert=True)


@pytest.fixture(scope="module")
def ca_file():
    with certificates.authority_file() as path:
        yield path


@pytest.fixture
def keys(relay, ca_file):
    """How the relay is reached, but for its token."""
    return {
        "host": "127.0.0.1",
        "port": relay.port,
        "username": "ada@example.com",
        "tls_ca_file": ca_file,
    }


@contextmanager
def token_endpoint(status: int, answer: dict[str, str], asked: list[str]):
    """An identity provider that gives *answer*."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked.append(self.rfile.read(length).decode())
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def test_mail_goes_with_a_token_of_the_example_command(tmp_path, relay, keys):
    credentials = {"client_id": "me", "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "credentials.json").write_text(json.dumps(credentials))
    asked: list[str] = []
    with token_endpoint(200, {"access_token": GOOD}, asked) as url:
        file = str(tmp_path / "credentials.json")
        keys["token_command"] = [sys.executable, str(EXAMPLE), url, file]
        with running(tmp_path, {"main": keys}, None) as service:
            result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert asked == [
        "grant_type=refresh_token&client_id=me&client_secret=s&refresh_token=r"
    ]


def test_a_token_that_was_replaced_since_is_found(tmp_path, relay, keys):
    file = tmp_path / "token"
    file.write_text(f"{STALE}\n")
    keys["token_file"] = str(file)
    with running(tmp_path, {"main": keys}, None) as service:
        (tmp_path / "new").write_text(f"{GOOD}\n")
        (tmp_path / "new").replace(file)
        result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(relay.said) == 1


def test_a_token_that_is_refused_twice_fails_a_relayed_send_at_once(
    tmp_path, relay, keys
):
    (tmp_path / "token").write_text(STALE)
    keys["token_file"] = str(tmp_path / "token")
    with running(tmp_path, {"main": keys}, None) as service:
        results = [service.send() for _ in range(3)]

    assert {r.status for r in results} == {delivery_pb.DELIVERY_STATUS_FAILED}
    assert results[0].reason == attempt_pb.FAILURE_REASON_AUTHENTICATION
    assert results[0].smtp_error.code == 535
    assert len(relay.said) == 2, "a storm of log-ins"
    assert STALE not in str(results)


def test_a_command_that_fails_condemns_no_mail(tmp_path, relay, keys):
    keys |= {"token_command": ["false"], "retry": {"disabled": True}}
    with running(tmp_path, {"main": keys}, None) as service:
        result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_AUTHENTICATION
    assert relay.said == []


@pytest.mark.usefixtures("unhurried")
def test_a_service_that_stops_does_not_wait_for_a_command(tmp_path, relay, keys):
    keys |= {"token_command": ["sleep", "60"], "retry": {"disabled": True}}
    with running(tmp_path, {"main": keys}, None) as service:
        result = service.send(timeout=8)

    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED


def test_a_token_is_not_in_the_configuration_that_is_shown(tmp_path, relay, keys):
    (tmp_path / "token").write_text(GOOD)
    keys["token_file"] = str(tmp_path / "token")
    config = load_config(settings(tmp_path, {"main": keys}), {})

    assert GOOD not in print_config(config) + repr(config)
    assert config.relays["main"].token_file == keys["token_file"]
