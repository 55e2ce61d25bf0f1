"""The file and the environment become one checked configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from postroom_server.config import Config, ConfigError, RelayConfig, load_config
from postroom_server.config.values import ServerConfig
from postroom_server.domain.limits import Limits
from postroom_server.domain.secret import Secret
from postroom_server.domain.submission import RetryPolicy
from postroom_server.smtp.settings import Encryption
from postroom_server.smtp.timeouts import Timeouts
from postroom_server.telemetry.logs import LogFormat, LogLevel, LogSettings

EVERYTHING = """
listen = "unix:/run/postroom.sock"
default_relay = "main"
[store]
url = "sqlite:////var/lib/mail.db"
[relays.other]
host = "other.example"
[relays.main]
host = "smtp.example.com"
port = 2525
encryption = "ssl"
username = "user"
password = "pass"
auth_mechanism = "login"
from_address = "a@example.com"
envelope_from = "b@example.com"
pool_size = 3
idle_timeout = 4
max_age = 5.5
max_messages = 6
heartbeat = 7
tls_ca_file = "CA"
tls_verify = false
ehlo_name = "mx.example.com"
timeouts = { dns = 1, final = 2.5 }
retry = { quick_delays = [1, 2.5], min_delay = 3, max_attempts = 4 }
[limits]
max_recipients = 7
[log]
level = "debug"
format = "json"
mask_addresses = true
[server]
drain_grace = 1
drain_delay = 2
body_timeout = 3
"""
MAIN = '[relays.main]\nhost = "smtp.example.com"\n'


@pytest.fixture
def written(tmp_path):
    """Writes a configuration file."""

    def write(text):
        path = tmp_path / "postroom.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_host_is_all_that_is_needed(written):
    config = load_config(written(MAIN), {})

    assert config == Config(
        relays={
            "main": RelayConfig(id="main", host="smtp.example.com", port=587),
        },
        default_relay="main",
    )


def test_every_part_of_the_file_is_read(written, tmp_path):
    (tmp_path / "ca.pem").touch()
    config = load_config(
        written(EVERYTHING.replace("CA", f"{tmp_path}/ca.pem")),
        {},
    )

    main = RelayConfig(
        id="main",
        host="smtp.example.com",
        port=2525,
        encryption=Encryption.SSL,
        username="user",
        password=Secret("pass"),
        auth_mechanism="login",
        from_address="a@example.com",
        envelope_from="b@example.com",
        pool_size=3,
        idle_timeout=4.0,
        max_age=5.5,
        max_messages=6,
        heartbeat=7.0,
        tls_ca_file=f"{tmp_path}/ca.pem",
        tls_verify=False,
        ehlo_name="mx.example.com",
        timeouts=Timeouts(dns=1.0, final=2.5),
        retry=RetryPolicy(quick_delays=(1.0, 2.5), min_delay=3.0, max_attempts=4),
    )
    assert config == Config(
        listen="unix:/run/postroom.sock",
        default_relay="main",
        store_path=Path("/var/lib/mail.db"),
        relays={
            "main": main,
            "other": RelayConfig(id="other", host="other.example", port=587),
        },
        limits=Limits(max_recipients=7),
        log=LogSettings(
            level=LogLevel.DEBUG, format=LogFormat.JSON, mask_addresses=True
        ),
        server=ServerConfig(drain_grace=1.0, drain_delay=2.0, body_timeout=3.0),
    )


def test_the_environment_wins_over_the_file_key_by_key(written):
    config = load_config(
        written(MAIN + 'from_address = "a@example.com"\nport = 25'),
        {
            "POSTROOM_LISTEN": "127.0.0.1:1",
            "POSTROOM_STORE__URL": "sqlite:///other.db",
            "POSTROOM_RELAYS__MAIN__PORT": "26",
            "POSTROOM_RELAYS__MAIN__TLS_VERIFY": "no",
            "POSTROOM_RELAYS__MAIN__TIMEOUTS__DNS": "1.5",
            "POSTROOM_RELAYS__MAIN__RETRY__QUICK_DELAYS": "[1, 2]",
            "POSTROOM_LOG__MASK_ADDRESSES": "true",
            "PATH": "/bin",
        },
    )

    relay = config.relays["main"]
    assert config.listen == "127.0.0.1:1"
    assert config.store_path == Path("other.db")
    assert config.log.mask_addresses
    assert (relay.host, relay.port) == ("smtp.example.com", 26)
    assert relay.from_address == "a@example.com"
    assert not relay.tls_verify
    assert relay.timeouts.dns == 1.5
    assert relay.retry.quick_delays == (1.0, 2.0)


def test_the_environment_alone_is_enough():
    config = load_config(None, {"POSTROOM_RELAYS__MAIN__HOST": "smtp.example.com"})

    assert config.default_relay == "main"


def test_texts_of_the_environment_that_look_like_something_else_stay_texts():
    config = load_config(
        None,
        {
            "POSTROOM_RELAYS__MAIN__HOST": "127.0.0.1",
            "POSTROOM_RELAYS__MAIN__USERNAME": "true",
            "POSTROOM_RELAYS__MAIN__PASSWORD": "0123",
        },
    )

    relay = config.relays["main"]
    assert relay.username == "true"
    assert relay.password.reveal() == "0123"


@pytest.mark.parametrize(
    ("encryption", "port"), [("none", 25), ("tls", 587), ("ssl", 465)]
)
def test_the_port_follows_from_the_encryption(written, encryption, port):
    config = load_config(written(f'{MAIN}encryption = "{encryption}"'), {})

    assert config.relays["main"].port == port


def test_with_several_relays_none_is_the_default_unless_said(written):
    config = load_config(written(f'{MAIN}[relays.b]\nhost = "b"'), {})

    assert config.default_relay == ""


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_file_may_end_with_a_line_end(written, tmp_path, end):
    secret = tmp_path / "secret"
    secret.write_bytes(f" pass wörd {end}".encode())
    config = load_config(
        written(f'{MAIN}username = "u"\npassword_file = "{secret}"'), {}
    )

    assert config.relays["main"].password.reveal() == " pass wörd "
    assert config.relays["main"].password_file == str(secret)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.1.2.3"])
def test_a_log_in_without_tls_is_allowed_to_loopback(written, host):
    text = f"""
        [relays.main]
        host = "{host}"
        encryption = "none"
        username = "u"
        password = "p"
    """

    assert load_config(written(text), {}).relays["main"].username == "u"


def test_a_null_envelope_sender_may_be_configured(written):
    config = load_config(written(f'{MAIN}envelope_from = "<>"'), {})

    assert config.relays["main"].envelope_from == "<>"


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "postroom.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MAIN.encode())

    assert load_config(path, {}).default_relay == "main"


def test_variables_of_others_are_left_alone():
    others = {
        "POSTROOM_PORT": "tcp://10.0.0.1:50051",
        "POSTROOM_SERVICE_HOST": "10.0.0.1",
        "POSTROOM_PORT_50051_TCP_ADDR": "10.0.0.1",
        "POSTROOM_TARGET": "localhost:50051",
        "POSTROOM_CONFIG": "postroom.toml",
        "POSTROOM_CORPORA": "/corpora",
        "POSTROOM_REQUIRE_TOOLS": "1",
    }

    assert load_config(None, {"POSTROOM_RELAYS__A__HOST": "h"} | others)


def test_the_result_can_t_be_changed_and_hides_its_secrets(written):
    config = load_config(written(f'{MAIN}username = "u"\npassword = "hunter2"'), {})

    assert "hunter2" not in repr(config)
    with pytest.raises(TypeError):
        config.relays["other"] = config.relays["main"]


def test_an_error_holds_all_problems_one_a_line():
    error = ConfigError(["a: b", "c: d"])

    assert error.problems == ("a: b", "c: d")
    assert str(error) == "a: b\nc: d"
