"""Mail to a server that others wrote."""

from __future__ import annotations

import ssl
from dataclasses import replace
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from postroom_server.domain.secret import Secret
from postroom_server.smtp.probe import probe
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import Encryption, RelaySettings

from tests.support import certificates
from tests.support.controls import Orders, a_mail

CONTENT = b"Subject: x\r\n\r\n.\r\n..dots\r\n" + b"a line\r\n" * 10_000


class OnAnyPort(Controller):
    """Learns its port before it tries it."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Keeps:
    def __init__(self) -> None:
        self.kept: list[SimpleNamespace] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  its name
        self.kept.append(
            SimpleNamespace(to=envelope.rcpt_tos, content=envelope.content)
        )
        return "250 2.0.0 kept"


def lets_ada_in(server, session, envelope, mechanism, login) -> AuthResult:
    return AuthResult(success=(login.login, login.password) == (b"ada", b"pass word"))


@pytest.fixture
def keeps():
    return Keeps()


@pytest.fixture
def settings(keeps, ca_file):
    tls: ssl.SSLContext = certificates.good()
    controller = OnAnyPort(
        keeps,
        hostname="127.0.0.1",
        port=0,
        tls_context=tls,
        require_starttls=True,
        authenticator=lets_ada_in,
        auth_required=True,
        data_size_limit=10_000_000,
    )
    controller.start()
    yield RelaySettings(
        id="main",
        host="127.0.0.1",
        port=controller.port,
        encryption=Encryption.TLS,
        tls_ca_file=ca_file,
        username="ada",
        password=Secret("pass word"),
    )
    controller.stop(no_assert=True)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_mail_arrives_as_composed(settings, keeps, mechanism):
    session = open_session(replace(settings, auth_mechanism=mechanism))
    reports = [
        session.transact(a_mail(CONTENT, to=("a@x.example", "b@x.example")), Orders())
        for _ in range(2)
    ]
    session.quit()

    assert [r.accepted for r in reports] == [True, True]
    assert keeps.kept[1].content == CONTENT
    assert keeps.kept[1].to == ["a@x.example", "b@x.example"]


def test_the_way_to_it_is_in_order(settings):
    report = probe(settings, "me@example.com")

    assert report.ok, report.diagnosis
    assert report.size_limit == 10_000_000
