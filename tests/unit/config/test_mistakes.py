"""Every mistake is told, by name, in one line, without a secret, all at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.config import ConfigError, load_config
from postroom_server.config.load import _validated
from postroom_server.config.reference import key_paths

MAIN = '[relays.main]\nhost = "smtp.example.com"\n'
CANARY = "hunter2"


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """What is wrong with a file of *text*; the file is called postroom.toml."""

    def found(text, environ=None):
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "postroom.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load_config(path.relative_to(tmp_path), environ or {})
        return list(caught.value.problems)

    return found


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("port = 99999", "port: must be between 1 and 65535 (got 99999)"),
        ("port = 0", "port: must be between 1 and 65535 (got 0)"),
        ('port = "587"', "port: must be a whole number (got '587')"),
        ("port = true", "port: must be a whole number (got true)"),
        ("port = 1.5", "port: must be a whole number (got 1.5)"),
        ('heartbeat = "x"', "heartbeat: must be a number (got 'x')"),
        ("heartbeat = nan", "heartbeat: must be a finite number (got nan)"),
        ("max_age = inf", "max_age: must be a finite number (got inf)"),
        ('tls_verify = "false"', "tls_verify: must be true or false (got 'false')"),
        ("username = 7", "username: must be text (got 7)"),
        ("retry = 7", "retry: must be a table (got 7)"),
        (
            'encryption = "starttls"',
            "encryption: must be 'none', 'tls' or 'ssl' (got 'starttls')",
        ),
        (
            'auth_mechanism = "gssapi"',
            (
                "auth_mechanism: must be empty, 'plain', 'login', 'cram-md5', "
                "'oauthbearer' or 'xoauth2' (got 'gssapi')"
            ),
        ),
        ("retry.quick_delays = 7", "retry.quick_delays: must be a list (got 7)"),
        (
            "retry.quick_delays = [1, 61]",
            "retry.quick_delays.1: must be at most 60 (got 61)",
        ),
        (
            "retry.quick_delays = [1, 2, 3, 4]",
            "retry.quick_delays: must have at most 3 entries",
        ),
        (
            "retry = { min_delay = 20, max_delay = 10 }",
            "retry.min_delay: must not be more than max_delay (10)",
        ),
        ("prot = 587", "prot: unknown key (did you mean port?)"),
        ("timeouts.fianl = 1", "timeouts.fianl: unknown key (did you mean final?)"),
        ("zzz = 587", "zzz: unknown key"),
        (
            'username = "u"',
            "username: needs password, password_file, token_command or token_file",
        ),
        ('password = "hunter2"', "password: needs username"),
        ('password_file = "ca.pem"', "password_file: needs username"),
        ('auth_mechanism = "plain"', "auth_mechanism: needs username"),
        ('token_command = ["true"]', "token_command: needs username"),
        ('token_file = "good"', "token_file: needs username"),
        (
            'username = "u"\npassword = "hunter2"\ntoken_file = "good"',
            "password: is set, and so is token_file: use one",
        ),
        (
            'username = "u"\ntoken_file = "good"\ntoken_command = ["true"]',
            "token_command: is set, and so is token_file: use one",
        ),
        (
            'username = "u"\npassword = "hunter2"\nauth_mechanism = "xoauth2"',
            "auth_mechanism: needs token_command or token_file",
        ),
        (
            'username = "u"\ntoken_file = "good"\nauth_mechanism = "plain"',
            (
                "auth_mechanism: takes a password: with a token, use oauthbearer "
                "or xoauth2"
            ),
        ),
        ('token_command = "cat x"', "token_command: must be a list (got 'cat x')"),
        (
            'username = "u"\ntoken_command = ["/no/such"]',
            "token_command: there is no program '/no/such' to run",
        ),
        (
            'username = "u"\ntoken_command = ["", "x"]',
            "token_command: there is no program '' to run",
        ),
        (
            'username = "u"\ntoken_command = ["true", "\\u0000"]',
            "token_command: holds a NUL",
        ),
        (
            'username = "u"\ntoken_file = "missing"',
            "token_file: can't read missing: No such file or directory",
        ),
        (
            'username = "u"\ntoken_file = "a\\u0000b"',
            "token_file: no file has a NUL in its name",
        ),
        (
            'username = "u"\ntoken_file = "empty"',
            "token_file: the source of tokens gave nothing",
        ),
        (
            'username = "u"\ntoken_file = "sentence"',
            "token_file: what the source gave is no token (RFC 6750)",
        ),
        (
            'username = "u"\ntoken_file = "large"',
            "token_file: large holds more than a token",
        ),
        (
            'username = "u"\ntoken_file = "binary"',
            "token_file: binary gave no token (RFC 6750)",
        ),
        ("token_timeout = 61", "token_timeout: must be between 0.1 and 60 (got 61)"),
        (
            'username = "u"\npassword = "hunter2"\npassword_file = "good"',
            "password: is set, and so is password_file: use one",
        ),
        (
            'username = "u"\npassword_file = "missing"',
            "password_file: can't read missing: No such file or directory",
        ),
        (
            'username = "u"\npassword_file = "empty"',
            "password_file: empty is empty",
        ),
        (
            'username = "u"\npassword_file = "lines"',
            "password_file: lines must hold one line, the password",
        ),
        (
            'username = "u"\npassword_file = "large"',
            "password_file: large must hold one line, the password",
        ),
        (
            'username = "u"\npassword_file = "binary"',
            "password_file: binary is not UTF-8",
        ),
        (
            "username = 'u'\npassword = \"hunter2\\n\"",
            "password: holds a control character",
        ),
        ('username = "u\\r"\npassword = "p"', "username: holds a control character"),
        (
            'username = "u"\npassword = "p"\nencryption = "none"',
            (
                "encryption: must be tls or ssl: credentials are sent in the clear to "
                "loopback only"
            ),
        ),
        (
            'tls_ca_file = "missing"',
            "tls_ca_file: can't read missing: No such file or directory",
        ),
        ('ehlo_name = "a b"', "ehlo_name: must be a domain, or an address in brackets"),
        (
            'from_address = "nobody"',
            'from_address: is no address: The address has no "@".',
        ),
        (
            'from_address = "<>"',
            'from_address: is no address: The address has no "@".',
        ),
        (
            'envelope_from = "a@"',
            'envelope_from: is no address: The address has nothing after the "@".',
        ),
    ],
)
def test_a_mistake_in_a_relay_is_told(problems, tmp_path, lines, problem):
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "good").write_text(CANARY)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "lines").write_text(f"{CANARY}\n{CANARY}\n")
    (tmp_path / "large").write_text("x" * 100_000)
    (tmp_path / "sentence").write_text(f"the token is {CANARY}\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    found = problems(MAIN + lines)

    assert found == [f"postroom.toml: relays.main.{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lsten = 7\n" + MAIN, "lsten: unknown key (did you mean listen?)"),
        ('listen = "50051"\n' + MAIN, 'listen: must be "host:port" or "unix:/path"'),
        ('listen = "h:70000"\n' + MAIN, 'listen: must be "host:port" or "unix:/path"'),
        ('listen = "::1:5"\n' + MAIN, 'listen: must be "host:port" or "unix:/path"'),
        (
            'default_relay = "mian"\n' + MAIN,
            "default_relay: there is no such relay (did you mean main?)",
        ),
        ("", "relays: at least one relay is needed, as a table [relays.main]"),
        ("relays = 7", "relays: must be a table (got 7)"),
        ("[relays.main]", "relays.main.host: is required"),
        (
            '[relays.main]\nhost = "a:25"',
            "relays.main.host: must be a host name or an address, without a port",
        ),
        (
            '[relays.main]\nhost = "a\\nb"',
            "relays.main.host: must be a host name or an address, without a port",
        ),
        (
            '[relays.Main]\nhost = "a"',
            "relays.Main: a relay's id is 1 to 63 of a-z, 0-9, _ and -",
        ),
        (
            f'[relays.{"a" * 64}]\nhost = "a"',
            f"relays.{'a' * 64}: a relay's id is 1 to 63 of a-z, 0-9, _ and -",
        ),
        (
            '[relays."a\\nb"]\nhost = "a"',
            "relays.a\\x0ab: a relay's id is 1 to 63 of a-z, 0-9, _ and -",
        ),
        (
            f'[store]\nurl = "postgresql://u:{CANARY}@h/db"\n{MAIN}',
            "store.url: has a password: put it in store.password_file",
        ),
        (
            f'[store]\nurl = "postgresql://u@h/db?password={CANARY}"\n{MAIN}',
            "store.url: has a password: put it in store.password_file",
        ),
        (
            f'[store]\nurl = "postgresql://u@[{CANARY}/db"\n{MAIN}',
            "store.url: must be postgresql://user@host/database",
        ),
        (
            f'[store]\nurl = "mysql://u:{CANARY}@h/db"\n{MAIN}',
            (
                "store.url: must be sqlite:///path or postgresql://user@host/database"
                " (got mysql:...)"
            ),
        ),
        (
            f'[store]\nurl = "sqlite:///"\n{MAIN}',
            "store.url: must be sqlite:/// and the path of a file",
        ),
        (
            f'[store]\nurl = "sqlite:///:memory:"\n{MAIN}',
            "store.url: must be sqlite:/// and the path of a file",
        ),
        (
            f"[limits]\nmax_expiry = 60\n{MAIN}",
            "limits.default_expiry: must not be more than max_expiry (60)",
        ),
        (
            f"[limits]\ndelivery_retention = 86399\ncontent_retention = 1\n{MAIN}",
            (
                "limits.request_id_retention: must not be more than delivery_retention "
                "(86399)"
            ),
        ),
        (f'[metrics]\nlisten = "9464"\n{MAIN}', 'metrics.listen: must be "host:port"'),
        (
            f'[metrics]\nlisten = "unix:/m"\n{MAIN}',
            'metrics.listen: must be "host:port"',
        ),
        (
            f'[metrics]\nlisten = "0.0.0.0:9464"\n{MAIN}',
            (
                "metrics.listen: other machines can reach it: set metrics.beyond_loopback "
                "to allow that"
            ),
        ),
        (
            f'[metrics]\nlisten = "127.0.0.1:50051"\n{MAIN}',
            "metrics.listen: must not be the same as listen",
        ),
        (
            f'[log]\nlevel = "loud"\n{MAIN}',
            "log.level: must be 'debug', 'info', 'warning' or 'error' (got 'loud')",
        ),
    ],
)
def test_a_mistake_elsewhere_is_told(problems, text, problem):
    assert problems(text) == [f"postroom.toml: {problem}"]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"POSTROOM_RELAYS__MAIN__PORT": "99999"},
            "POSTROOM_RELAYS__MAIN__PORT: must be between 1 and 65535 (got 99999)",
        ),
        (
            {"POSTROOM_RELAYS__MAIN__PORT": ""},
            "POSTROOM_RELAYS__MAIN__PORT: must be a whole number (got '')",
        ),
        (
            {"POSTROOM_RELAYS__MAIN__PROT": "587"},
            "POSTROOM_RELAYS__MAIN__PROT: unknown key (did you mean port?)",
        ),
        (
            {"POSTROOM_RELAYS__MAIN__RETRY__QUICK_DELAYS": "soon"},
            "POSTROOM_RELAYS__MAIN__RETRY__QUICK_DELAYS: must be a list (got 'soon')",
        ),
        (
            {"POSTROOM_STORE_URL": "sqlite:///a"},
            "POSTROOM_STORE_URL: unknown variable (did you mean POSTROOM_STORE__URL?)",
        ),
        (
            {"POSTROOM_LGO__LEVEL": "info"},
            "POSTROOM_LGO__LEVEL: unknown variable (did you mean POSTROOM_LOG__LEVEL?)",
        ),
        ({"POSTROOM_XYZ__ABC": "1"}, "POSTROOM_XYZ__ABC: unknown variable"),
        (
            {"POSTROOM_LISTEN": "nowhere"},
            'POSTROOM_LISTEN: must be "host:port" or "unix:/path"',
        ),
        ({"POSTROOM_LOG": "{"}, "POSTROOM_LOG: must be a table"),
        (
            {"POSTROOM_LOG": '{"level": "loud"}'},
            (
                "POSTROOM_LOG: log.level: must be 'debug', 'info', 'warning' or 'error' "
                "(got 'loud')"
            ),
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(problems, environ, problem):
    assert problems(MAIN, environ) == [problem]


def test_where_there_is_no_file_the_key_is_named_alone():
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"POSTROOM_RELAYS__MAIN__PORT": "25"})

    assert caught.value.problems == ("configuration: relays.main.host: is required",)


def test_all_mistakes_are_told_at_once(problems):
    found = problems(
        """
        default_relay = "mian"
        [relays.main]
        port = 99999
        username = "u"
        tls_verify = 7
        [relays.other]
        prot = 1
        [log]
        level = "loud"
        """
    )

    assert [line.split(": ")[1] for line in found] == [
        "relays.main.port",
        "relays.main.tls_verify",
        "relays.other.prot",
        "log.level",
        "default_relay",
        "relays.main.host",
        "relays.main.username",
        "relays.other.host",
    ]


def test_what_only_follows_from_another_mistake_is_not_told(problems):
    found = problems(f'{MAIN}username = "u"\npassword = 7')

    assert found == ["postroom.toml: relays.main.password: must be text"]


@pytest.mark.parametrize(
    "lines",
    [
        f'pasword = "{CANARY}"',
        f'username = "u"\npassword = ["{CANARY}"]',
        f'username = "u"\npassword = {{ a = "{CANARY}" }}',
        f'username = "u"\npassword = "{CANARY}\\u0000"',
    ],
)
def test_no_mistake_repeats_a_secret(problems, lines):
    assert CANARY not in "\n".join(problems(MAIN + lines))


@pytest.mark.parametrize("name", ["POSTROOM_RELAYS", "POSTROOM_RELAYS__MAIN"])
def test_a_table_that_is_no_json_is_not_repeated(problems, name):
    found = problems(MAIN, {name: f'{{"password": "{CANARY}"'})

    assert found == [f"{name}: must be a table"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"listen = \n", "line 1, column 10: Invalid value"),
        (b"a = 1\na = 2\n", "line 2, column 6: Cannot overwrite a value"),
        (b"listen = '", 'end of document: Expected "\'"'),
        (b"a = '\xff'", "is not UTF-8 (at byte 5)"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_the_place(tmp_path, content, problem):
    path = tmp_path / "postroom.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert str(caught.value) == f"{path}: {problem}"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.toml", {})

    assert str(caught.value) == f"{tmp_path}/none.toml: No such file or directory"


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path, {})


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)
)
names = st.sampled_from(
    sorted({name for path in key_paths() for name in path} | {"main", "x", ""})
)
trees = st.recursive(
    leaves,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=5)
    ),
    max_leaves=30,
)


@given(st.dictionaries(names, trees, max_size=6))
def test_whatever_is_malformed_is_found_and_the_rest_is_kept(tree):
    root, faults = _validated(tree)

    assert isinstance(root.listen, str)
    assert all(path and text for path, text in faults)
