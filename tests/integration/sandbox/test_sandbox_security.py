from __future__ import annotations

import smtplib
import ssl

import pytest
import trustme
from postroom_server.sandbox.relay import RelaySecurity, SandboxRelay

LOGIN = ("ada", "s3cret")
MAIL = b"A: b\r\n\r\n"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_context(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _send(client):
    client.sendmail("ada@example.com", "bob@example.com", MAIL)


def test_mail_comes_over_starttls_with_a_log_in(server_context, client_context):
    security = RelaySecurity(tls=server_context, credentials=LOGIN, auth_needs_tls=True)
    with (
        SandboxRelay(security=security) as relay,
        smtplib.SMTP("127.0.0.1", relay.port) as client,
    ):
        client.ehlo()
        before = client.has_extn("auth")
        client.starttls(context=client_context)
        client.login(*LOGIN)
        _send(client)

        assert not before
        assert len(relay.messages) == 1


def test_mail_comes_over_implicit_tls_with_a_log_in(server_context, client_context):
    security = RelaySecurity(
        tls=server_context, implicit=True, credentials=LOGIN, auth_needs_tls=True
    )
    with (
        SandboxRelay(security=security) as relay,
        smtplib.SMTP_SSL("127.0.0.1", relay.port, context=client_context) as client,
    ):
        client.login(*LOGIN)
        _send(client)

        assert len(relay.messages) == 1


def test_mail_without_a_log_in_is_refused():
    with (
        SandboxRelay(security=RelaySecurity(credentials=LOGIN)) as relay,
        smtplib.SMTP("127.0.0.1", relay.port) as client,
        pytest.raises(smtplib.SMTPSenderRefused, match=r"5\.7\.0"),
    ):
        _send(client)


def test_a_wrong_password_is_refused():
    with (
        SandboxRelay(security=RelaySecurity(credentials=LOGIN)) as relay,
        smtplib.SMTP("127.0.0.1", relay.port) as client,
        pytest.raises(smtplib.SMTPAuthenticationError) as refused,
    ):
        client.login("ada", "wrong")

    assert refused.value.smtp_code == 535


def test_the_password_is_not_shown():
    assert "s3cret" not in repr(RelaySecurity(credentials=LOGIN))
