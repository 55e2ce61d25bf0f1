"""The clients against a service with TLS that wants to know who calls."""

from __future__ import annotations

import asyncio

import pytest
import trustme
from cryptography import x509
from postroom import AsyncClient, Client, PermissionDenied, Unauthenticated, Unavailable
from postroom._service import Service
from postroom.cli.app import app
from postroom_server.app import App
from postroom_server.config import load_config
from postroom_server.domain.principal import Role
from postroom_server.sandbox.relay import SandboxRelay
from typer.testing import CliRunner

from tests.support.callers import a_caller, client_certificate, tls_files
from tests.support.certificates import LONG_AGO, authority
from tests.support.service import plain, settings

WEB = a_caller("web")
OPS = a_caller("ops", Role.ADMINISTRATOR)
URI = "spiffe://example.com/web"
MAIL = {
    "to": "ada@example.com",
    "from_": "me@example.com",
    "subject": "Hello",
    "text": "It works.",
}


def credential(caller):
    principal = caller.credential.principal
    return (
        f"[credentials.{principal.name}]\n"
        f'role = "{principal.role.value}"\n'
        f'token_sha256 = ["{caller.credential.token_digests[0].hex()}"]\n'
    )


@pytest.fixture
def files(tmp_path):
    return tls_files(tmp_path)


@pytest.fixture
def start(tmp_path, files):
    """Starts a service; gives its address."""
    running = []

    def begin(extra=""):
        relay = SandboxRelay()
        running.append(relay.__enter__())
        text = (
            f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
            f"{extra}{credential(WEB)}{credential(OPS)}"
        )
        path = settings(tmp_path, {"main": plain(relay.port)}, text)
        service = App(load_config(path, {}))
        service.start()
        running.append(service)
        return service.server.address

    yield begin
    for part in reversed(running):
        part.__exit__(None, None, None)


@pytest.fixture
def target(start):
    return start()


def test_a_mail_is_sent_with_a_token_over_tls(target, files):
    with Client(target, ca_file=files.authority, token=WEB.token) as client:
        assert client.send(**MAIL).status == "SUCCESS"


def test_a_mail_is_sent_with_a_token_over_tls_from_asyncio(target, files):
    async def send():
        given = {"ca_file": files.authority, "token": lambda: WEB.token}
        async with AsyncClient(target, **given) as client:
            return await client.send(**MAIL)

    assert asyncio.run(send()).status == "SUCCESS"


def test_a_framework_s_settings_say_the_same(target, files):
    place = {"target": target, "ca_file": files.authority, "token": WEB.token}
    service = Service.of(place)
    try:
        assert service.send(MAIL).status == "SUCCESS"
    finally:
        service.client.close()


def test_health_is_told_without_a_token(target, files):
    with Client(target, ca_file=files.authority) as client:
        assert client.health() == "SERVING"


@pytest.mark.parametrize(
    "token", [None, "x" * 40, WEB.token[:-1]], ids=["none", "unknown", "cut short"]
)
def test_a_wrong_token_is_told_and_not_tried_again(target, files, token):
    with (
        Client(target, ca_file=files.authority, token=token) as client,
        pytest.raises(Unauthenticated) as caught,
    ):
        client.send(**MAIL)

    assert caught.value.reason == "CREDENTIAL_REFUSED"
    assert caught.value.nothing_sent
    assert not caught.value.retryable


def test_a_token_that_was_changed_is_used_by_the_next_call(target, files, tmp_path):
    path = tmp_path / "token"
    path.write_text("x" * 40)
    with Client(target, ca_file=files.authority, token_file=path) as client:
        with pytest.raises(Unauthenticated):
            client.server_info()
        path.write_text(f"{WEB.token}\n")

        assert client.server_info().version


def test_what_a_role_may_not_is_denied(target, files):
    with (
        Client(target, ca_file=files.authority, token=WEB.token) as client,
        pytest.raises(PermissionDenied) as caught,
    ):
        client.test_connection()

    assert caught.value.reason == "METHOD_NOT_ALLOWED"


def cause_of(target, **given):
    with (
        Client(target, max_attempts=1, timeout=20, **given) as client,
        pytest.raises(Unavailable) as caught,
    ):
        client.server_info()
    assert caught.value.nothing_sent
    return str(caught.value)


def test_an_expired_certificate_is_named(start, files):
    ended = LONG_AGO.replace(year=2002)
    leaf = authority().issue_cert("127.0.0.1", not_before=LONG_AGO, not_after=ended)
    files.renew(leaf)

    assert "its certificate has expired" in cause_of(start(), ca_file=files.authority)


def test_a_certificate_for_another_name_is_named(start, files):
    files.renew(authority().issue_cert("mail.example.com"))

    assert "for another name" in cause_of(start(), ca_file=files.authority)


def test_an_unknown_authority_is_named(target, tmp_path):
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())

    assert "not trusted here" in cause_of(target, ca_file=other)


def test_a_service_with_tls_called_without_is_named(target):
    assert "may want TLS" in cause_of(target)


def test_a_service_without_tls_called_with_it_is_named(tmp_path, files):
    with SandboxRelay() as relay:
        path = settings(tmp_path, {"main": plain(relay.port)})
        with App(load_config(path, {})) as service:
            words = cause_of(service.server.address, ca_file=files.authority)

    assert "does not speak TLS" in words


def test_a_client_shows_its_certificate(start, files, tmp_path):
    named = f'[credentials.cert]\ncertificates = ["{URI}"]\n'
    wanted = f'client_ca_file = "{files.authority}"\n{named}'
    target = start(wanted)
    key, cert = client_certificate(x509.UniformResourceIdentifier(URI))
    (tmp_path / "client.key").write_bytes(key)
    (tmp_path / "client.pem").write_bytes(cert)
    given = {
        "ca_file": files.authority,
        "cert_file": tmp_path / "client.pem",
        "key_file": tmp_path / "client.key",
    }

    with Client(target, **given) as client:
        assert client.send(**MAIL).status == "SUCCESS"
    assert "client's certificate" in cause_of(target, ca_file=files.authority)


def test_the_command_takes_its_token_from_a_file(target, files, tmp_path):
    path = tmp_path / "token"
    path.write_text(OPS.token)
    options = ["--ca-file", str(files.authority), "--token-file", str(path)]
    done = CliRunner().invoke(app, ["--target", target, *options, "test"])

    assert done.exit_code == 0, done.output


def test_the_command_takes_its_token_from_the_environment(target, files):
    environ = {
        "POSTROOM_TARGET": target,
        "POSTROOM_CA_FILE": str(files.authority),
        "POSTROOM_TOKEN": OPS.token,
    }
    done = CliRunner().invoke(app, ["info"], env=environ)

    assert done.exit_code == 0, done.output


def test_a_sender_is_shown_the_numbers_of_its_tenant(target, files):
    environ = {
        "POSTROOM_TARGET": target,
        "POSTROOM_CA_FILE": str(files.authority),
        "POSTROOM_TOKEN": WEB.token,
    }
    done = CliRunner().invoke(app, ["stats"], env=environ)

    assert done.exit_code == 0, done.output


def test_the_command_refuses_a_token_in_plain_text_and_does_not_show_it():
    options = ["--target", "mail.example.com:1", "--plaintext", "info"]
    done = CliRunner().invoke(app, options, env={"POSTROOM_TOKEN": WEB.token})

    assert done.exit_code == 2
    assert "in plain text" in done.output
    assert WEB.token not in done.output


def test_a_refused_token_is_told_by_the_command(target, files):
    environ = {"POSTROOM_CA_FILE": str(files.authority), "POSTROOM_TOKEN": "x" * 40}
    done = CliRunner().invoke(app, ["--target", target, "info"], env=environ)

    assert done.exit_code == 4
    assert "a valid credential is required" in done.output
