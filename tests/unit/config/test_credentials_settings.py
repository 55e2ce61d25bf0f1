"""Credentials and the listener's files, as they are configured."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.config import ConfigError, load_config, print_config
from postroom_server.config.tokens import PREFIX, digest_of, is_token, new_token
from postroom_server.domain.principal import Role
from postroom_server.rpc.settings import TlsSettings

from tests.support.callers import tls_files

MAIN = '[relays.main]\nhost = "smtp.example.com"\n'
TOKEN = new_token()
DIGEST = digest_of(TOKEN)
WEB = f'[credentials.web]\ntoken_sha256 = ["{DIGEST}"]\n'


@pytest.fixture
def load(tmp_path):
    def from_text(text, environ=None):
        path = tmp_path / "postroom.toml"
        path.write_text(MAIN + text)
        return load_config(path, environ or {})

    return from_text


@pytest.fixture
def problems(load, tmp_path):
    def of(text):
        with pytest.raises(ConfigError) as caught:
            load(text)
        return [
            p.removeprefix(f"{tmp_path}/postroom.toml: ") for p in caught.value.problems
        ]

    return of


def test_without_credentials_there_are_none(load):
    config = load("")

    assert config.credentials == ()
    assert config.server.tls is None


def test_a_credential_is_a_sender_of_the_default_tenant_until_told_otherwise(load):
    (credential,) = load(WEB).credentials
    principal = credential.principal

    assert (principal.name, principal.tenant) == ("web", "default")
    assert (principal.role, principal.senders) == (Role.SENDER, ("*",))
    assert credential.token_digests == (hashlib.sha256(TOKEN.encode()).digest(),)
    assert credential.expires_at is None


def test_every_key_of_a_credential_counts(load):
    (credential,) = load(
        f"""{WEB}
        tenant = "acme"
        role = "administrator"
        senders = ["*@Bücher.example", "noreply@EXAMPLE.com"]
        expires_at = 2027-01-31T01:00:00+01:00
        """
    ).credentials
    principal = credential.principal

    assert (principal.tenant, principal.role) == ("acme", Role.ADMINISTRATOR)
    assert principal.senders == ("*@xn--bcher-kva.example", "noreply@example.com")
    assert credential.expires_at == 1_801_353_600_000_000


def test_the_environment_has_credentials_too(load):
    environ = {
        "POSTROOM_CREDENTIALS__WEB__TOKEN_SHA256": json.dumps([DIGEST]),
        "POSTROOM_CREDENTIALS__WEB__EXPIRES_AT": "2027-01-31T00:00:00Z",
    }
    (credential,) = load("", environ).credentials

    assert credential.expires_at == 1_801_353_600_000_000


def test_the_clients_own_variables_are_no_mistakes(load):
    names = ("TOKEN", "TOKEN_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE", "TARGET")

    assert load("", {f"POSTROOM_{name}": "x" for name in names})


def test_what_is_printed_makes_the_same_again(load, tmp_path):
    files = tls_files(tmp_path)
    config = load(
        f"""{WEB}
        tenant = "acme"
        senders = ["*@example.com"]
        certificates = ["spiffe://example.com/web"]
        expires_at = "2027-01-31T00:00:00Z"
        [server.tls]
        cert_file = "{files.cert}"
        key_file = "{files.key}"
        client_ca_file = "{files.authority}"
        """
    )
    printed = tmp_path / "printed.toml"
    printed.write_text(print_config(config))

    assert load_config(printed, {}) == config
    assert TOKEN not in printed.read_text()
    assert files.key.read_text().splitlines()[1] not in printed.read_text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[credentials.web]", "web.token_sha256: is required, or certificates"),
        (
            f'[credentials.Web]\ntoken_sha256 = ["{DIGEST}"]',
            "Web: a name is 1 to 63 of a-z, 0-9, _ and -",
        ),
        (
            f'[credentials.web]\ntoken_sha256 = ["{TOKEN}"]',
            "web.token_sha256: entry 1 is no SHA-256 in hexadecimal (64 of 0-9, a-f)",
        ),
        (
            f'[credentials.web]\ntoken_sha256 = "{TOKEN}"',
            "web.token_sha256: must be a list",
        ),
        (f'[credentials.web]\ntoken = "{TOKEN}"', "web.token: unknown key"),
        (f'{WEB}tenant = "Acme"', "web.tenant: must be 1 to 63 of a-z, 0-9, _ and -"),
        (f'{WEB}tenant = ""', "web.tenant: must be 1 to 63 of a-z, 0-9, _ and -"),
        (
            f'{WEB}role = "admin"',
            "web.role: must be 'sender' or 'administrator' (got 'admin')",
        ),
        (f"{WEB}senders = []", "web.senders: must not be empty"),
        (
            f'{WEB}senders = ["example.com"]',
            "web.senders: 'example.com' is no sender: The address has no \"@\".",
        ),
        (f'{WEB}senders = ["*.example.com"]', "web.senders: '*.example.com' is no"),
        (f'{WEB}senders = ["*@localhost"]', "web.senders: '*@localhost' is no sender"),
        (f'{WEB}expires_at = "soon"', "web.expires_at: must be a time with its zone"),
        (
            f"{WEB}expires_at = 2027-01-31T00:00:00",
            "web.expires_at: must be a time with its zone",
        ),
        (f"{WEB}expires_at = 2027-01-31", "web.expires_at: must be a time with its"),
        (
            f'{WEB}certificates = ["spiffe://x"]',
            "web.certificates: needs server.tls.client_ca_file",
        ),
        (
            f"{WEB}{WEB.replace('web', 'app')}",
            "app.token_sha256: is another credential's too",
        ),
        (
            f"{WEB}{WEB.replace('web', 'app').replace(DIGEST, DIGEST.upper())}",
            "web.token_sha256: is another credential's too",
        ),
    ],
    # Tokens are others in each process that collects the tests.
    ids=lambda text: re.sub(f"(?i){TOKEN}|{DIGEST}", "TOKEN", text),
)
def test_a_mistake_in_a_credential_is_told_and_no_token(problems, text, problem):
    found = problems(text)

    assert any(p.startswith(f"credentials.{problem}") for p in found), found
    assert TOKEN not in "".join(found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('cert_file = "x"', "key_file: is required for TLS"),
        ('key_file = "x"', "cert_file: is required for TLS"),
        ('client_ca_file = "x"', "cert_file: is required for TLS"),
        ('cert_file = "none"\nkey_file = "none"', "cert_file: can't read none"),
    ],
)
def test_a_mistake_in_the_listeners_files_is_told(problems, text, problem):
    found = problems(f"[server.tls]\n{text}")

    assert any(p.startswith(f"server.tls.{problem}") for p in found), found


def test_the_listeners_files_are_looked_into(problems, tmp_path):
    files = tls_files(tmp_path)
    (tmp_path / "other").mkdir()
    other = tls_files(tmp_path / "other")
    tls = f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{other.key}"'

    (found,) = problems(tls)
    assert found.endswith(f"the key in {other.key} is not that of {files.cert}")


def test_the_listeners_files_are_handed_on(load, tmp_path):
    files = tls_files(tmp_path)
    config = load(
        f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
    )

    assert config.server.tls == TlsSettings(
        cert_file=str(files.cert), key_file=str(files.key)
    )


def test_a_token_is_known_for_one():
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(token.startswith(PREFIX) and is_token(token) for token in tokens)
    assert {len(token) for token in tokens} == {len(PREFIX) + 46}


@given(st.integers(len(PREFIX), len(TOKEN) - 1), st.sampled_from("aZ09_"))
def test_a_token_with_a_slip_of_the_pen_is_none(place, letter):
    slip = TOKEN[:place] + letter + TOKEN[place + 1 :]

    assert is_token(slip) == (slip == TOKEN)


@given(st.text())
def test_other_texts_are_no_tokens(text):
    assert not is_token(text)
