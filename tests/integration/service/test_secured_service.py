"""`postroomd` with TLS and tokens, as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from contextlib import contextmanager

import pytest
from postroom import Client, Unauthenticated, Unavailable
from postroom_server.__main__ import cli
from postroom_server.config.tokens import digest_of, is_token
from postroom_server.sandbox.relay import SandboxRelay
from typer.testing import CliRunner

from tests.support.callers import tls_files
from tests.support.process import PAUSE, free_port
from tests.support.service import plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

MAIL = {
    "to": "ada@example.com",
    "from_": "me@example.com",
    "subject": "Hello",
    "text": "It works.",
}


def postroomd(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "postroom_server", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )


def test_a_token_is_printed_once_with_what_makes_it_good():
    options = ["--name", "web", "--tenant", "acme", "--sender", "*@example.com"]
    made = postroomd("token", "create", *options)
    token = made.stdout.strip()

    assert (made.returncode, is_token(token)) == (0, True)
    assert token not in made.stderr
    assert tomllib.loads(made.stderr) == {
        "credentials": {
            "web": {
                "tenant": "acme",
                "role": "sender",
                "senders": ["*@example.com"],
                "token_sha256": [digest_of(token)],
            }
        }
    }


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--name", "Web"], "--name"),
        (["--name", "web", "--tenant", "A B"], "--tenant"),
        (["--name", "web", "--sender", "example.com"], "--sender"),
        (["--name", "web", "--expires-at", "soon"], "--expires-at"),
        (["--name", "web", "--role", "root"], "--role"),
        ([], "--name"),
    ],
)
def test_a_slip_makes_no_token(options, complaint):
    made = CliRunner().invoke(cli, ["token", "create", *options])

    assert (made.exit_code, made.stdout) == (2, "")
    assert complaint in made.stderr


@contextmanager
def secured(folder):
    """The service with TLS and one token: its process, address and token."""
    made = postroomd("token", "create", "--name", "web", "--role", "administrator")
    files, port = tls_files(folder), free_port()
    tls = f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
    with SandboxRelay() as relay:
        config = settings(folder, {"main": plain(relay.port)}, tls + made.stderr)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "postroom_server", "--config", str(config)],
                env={**os.environ, "POSTROOM_LISTEN": f"127.0.0.1:{port}"},
                stderr=log,
            )
            try:
                given = {"ca_file": files.authority, "token": made.stdout.strip()}
                yield process, f"127.0.0.1:{port}", given
            finally:
                process.terminate()
                process.wait(60)


def answered(client):
    for _ in range(400):
        try:
            if client.health("postroom.v1.DeliveryService", timeout=5) == "SERVING":
                return
        except Unavailable:
            PAUSE.wait(0.05)
    raise AssertionError("the service does not start")


def test_what_was_printed_is_what_is_needed_and_is_in_no_log(tmp_path):
    with secured(tmp_path) as (_, target, given):
        with Client(target, **given) as client:
            answered(client)
            sent = client.send(**MAIL)
            client.test_connection()
        wrong = "postroom_" + "w" * 46
        with (
            Client(target, **{**given, "token": wrong}) as stranger,
            pytest.raises(Unauthenticated),
        ):
            stranger.send(**MAIL)
        # A handshake that fails.
        with (
            Client(target, max_attempts=1) as plain_text,
            pytest.raises(Unavailable, match="TLS"),
        ):
            plain_text.server_info(timeout=10)
    log = (tmp_path / "log").read_text()

    assert sent.status == "SUCCESS"
    assert '"credential": "web"' in log
    assert all(line.startswith("{") for line in log.splitlines())
    for secret in (given["token"], wrong, given["token"][9:40]):
        assert secret not in log


def test_the_configuration_is_printed_without_what_is_secret(tmp_path):
    made = CliRunner().invoke(cli, ["token", "create", "--name", "web"])
    files, token = tls_files(tmp_path), made.stdout.strip()
    tls = f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
    config = settings(tmp_path, {"main": plain(2525)}, tls + made.stderr)
    printed = CliRunner().invoke(cli, ["--config", str(config), "--print-config"])

    assert digest_of(token) in printed.stdout
    assert token not in printed.output
    assert "PRIVATE KEY" not in printed.output
