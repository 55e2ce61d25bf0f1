"""What is in force can be printed, and read again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st
from postroom_server.config import Config, RelayConfig, load_config, print_config
from postroom_server.config.build import build
from postroom_server.config.load import _validated
from postroom_server.config.text import toml_key, toml_value
from postroom_server.config.values import ServerConfig
from postroom_server.domain.limits import Limits
from postroom_server.domain.secret import Secret
from postroom_server.domain.submission import RetryPolicy
from postroom_server.smtp.settings import Encryption
from postroom_server.smtp.timeouts import Timeouts
from postroom_server.telemetry.logs import LogFormat, LogLevel, LogSettings

HOST = {"POSTROOM_RELAYS__MAIN__HOST": "smtp.example.com"}


def read(text):
    root, faults = _validated(tomllib.loads(text))

    assert faults == []
    return build(root)


def test_what_is_printed_makes_the_same_configuration(tmp_path):
    config = load_config(None, HOST)
    path = tmp_path / "postroom.toml"
    path.write_text(print_config(config), encoding="utf-8")

    assert load_config(path, {}) == config


def test_a_secret_is_printed_as_stars():
    login = {
        "POSTROOM_RELAYS__MAIN__USERNAME": "user",
        "POSTROOM_RELAYS__MAIN__PASSWORD": "hunter2",
    }
    printed = print_config(load_config(None, HOST | login))

    assert "hunter2" not in printed
    assert 'password = "********"' in printed


def test_a_secret_from_a_file_is_printed_as_the_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    login = {
        "POSTROOM_RELAYS__MAIN__USERNAME": "user",
        "POSTROOM_RELAYS__MAIN__PASSWORD_FILE": str(secret),
    }
    config = load_config(None, HOST | login)
    printed = print_config(config)

    assert "hunter2" not in printed
    assert "****" not in printed
    assert read(printed) == config


words = st.text(st.characters(codec="utf-8"), max_size=8)
lengths = st.floats(1, 60)
relays = st.builds(
    RelayConfig,
    id=st.just("main"),
    host=words,
    port=st.integers(1, 65535),
    encryption=st.sampled_from(Encryption),
    username=words,
    password=st.just(Secret("")),
    from_address=words,
    pool_size=st.integers(1, 1000),
    idle_timeout=lengths,
    tls_verify=st.booleans(),
    timeouts=st.builds(Timeouts, dns=lengths, final=lengths),
    retry=st.builds(
        RetryPolicy,
        disabled=st.booleans(),
        quick_delays=st.lists(lengths, max_size=3).map(tuple),
    ),
)
configs = st.builds(
    Config,
    listen=words,
    default_relay=st.just("main"),
    store_path=st.just(Path("/var/lib/postroom.db")),
    relays=relays.map(lambda relay: MappingProxyType({"main": relay})),
    limits=st.builds(Limits, max_recipients=st.integers(1, 1000)),
    log=st.builds(
        LogSettings, level=st.sampled_from(LogLevel), format=st.sampled_from(LogFormat)
    ),
    server=st.builds(ServerConfig, drain_grace=lengths),
)


@given(configs)
def test_any_configuration_survives_being_printed(config):
    assert read(print_config(config)) == config


@given(st.dictionaries(words, words | st.booleans() | st.integers(-9, 9) | lengths))
def test_keys_and_values_are_written_as_toml_reads_them(table):
    text = "\n".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in table.items())

    assert tomllib.loads(text) == table
