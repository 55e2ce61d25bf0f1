from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom import (
    AsyncClient,
    Client,
    Health,
    Unauthenticated,
    from_environment,
)
from postroom._attempts import Terms
from postroom._channel import is_local, way_to
from postroom._health import deserialize, serialize
from postroom._service import Service
from postroom._tokens import Token


@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "localhost",
        "LocalHost:1",
        "api.localhost:1",
        "127.0.0.1:50051",
        "127.9.9.9:1",
        "[::1]:50051",
        "dns:///localhost:1",
        "ipv4:127.0.0.1:1",
        "unix:/run/postroom.sock",
        "unix:///run/postroom.sock",
    ],
)
def test_this_machine_is_known(target):
    assert is_local(target)


@pytest.mark.parametrize(
    "target",
    [
        "postroom:50051",
        "10.0.0.1:1",
        "[2001:db8::1]:1",
        "localhost.example.com:1",
        "127.0.0.1.example.com:1",
        "dns://127.0.0.1/postroom:1",
        "dns:///postroom:1",
        "",
    ],
)
def test_any_other_place_is_not(target):
    assert not is_local(target)


BEYOND = "postroom.example.com:50051"
TOKEN = "postroom_" + "x" * 46


@pytest.mark.parametrize(
    ("target", "arguments", "encrypted"),
    [
        ("localhost:50051", {}, False),
        ("unix:/run/postroom.sock", {"token": TOKEN}, False),
        ("localhost:50051", {"plaintext": False}, True),
        ("localhost:50051", {"ca_file": __file__}, True),
        (BEYOND, {}, True),
        (BEYOND, {"token": TOKEN}, True),
        (BEYOND, {"plaintext": False, "token": TOKEN}, True),
        (BEYOND, {"plaintext": True}, False),
    ],
)
def test_there_is_tls_beyond_this_machine_and_where_it_is_asked_for(
    target, arguments, encrypted
):
    given = dict(arguments)
    way = way_to(target, given.pop("plaintext", None), given)

    assert (way.credentials is not None) == encrypted


@pytest.mark.parametrize(
    ("target", "arguments", "complaint"),
    [
        (BEYOND, {"plaintext": True, "token": TOKEN}, "in plain text"),
        (BEYOND, {"plaintext": True, "token": lambda: TOKEN}, "in plain text"),
        (BEYOND, {"plaintext": True, "token_file": "token"}, "in plain text"),
        ("[::]:1", {"plaintext": True, "token": TOKEN}, "in plain text"),
        ("localhost:1", {"plaintext": True, "ca_file": "ca.pem"}, "ca_file is set"),
        (BEYOND, {"token": TOKEN, "token_file": "token"}, "one is enough"),
        (BEYOND, {"cert_file": __file__}, "cert_file and key_file"),
        (BEYOND, {"key_file": __file__}, "cert_file and key_file"),
        (BEYOND, {"token": f"{TOKEN}\n"}, "token is no token"),
        (BEYOND, {"token": ""}, "token is no token"),
        (BEYOND, {"token": "\u00e9" * 40}, "token is no token"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_would_not_be_safe_is_refused(kind, target, arguments, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        kind(target, **arguments)

    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("target", ["", "http://localhost:50051", "GRPC://host:1"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_is_no_target_is_told_before_any_call(kind, target):
    with pytest.raises(ValueError, match="is no target: it is host:port, or unix:"):
        kind(target)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        Client(BEYOND, ca_file=tmp_path / "none.pem")


@pytest.mark.parametrize(
    "token", [Token(TOKEN), Token(lambda: TOKEN), Token(file=TOKEN)]
)
def test_a_token_shows_itself_to_nobody(token):
    assert TOKEN not in f"{token} {token!r} {Terms(target='x', token=token)}"


def test_a_client_does_not_show_its_token():
    with Client(BEYOND, token=TOKEN) as client:
        assert TOKEN not in repr(client)
        assert TOKEN not in repr(Service.of({"target": BEYOND, "token": TOKEN}))


def test_a_token_is_read_from_its_file_each_time(tmp_path):
    path = tmp_path / "token"
    token = Token(file=path)
    carried = []
    for text in ("first\n", "second"):
        path.write_text(text)
        carried.append(token.metadata())

    assert carried == [
        (("authorization", "Bearer first"),),
        (("authorization", "Bearer second"),),
    ]


@pytest.mark.parametrize("content", ["", "\n", "two words", "\u00e9"])
def test_a_file_without_a_token_is_told_and_its_content_is_not(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(Unauthenticated, match="holds no token") as caught:
        Token(file=path).metadata()

    assert caught.value.nothing_sent
    assert "words" not in str(caught.value)


def test_the_environment_tells_how_to_reach_the_service():
    environ = {
        "POSTROOM_TARGET": BEYOND,
        "POSTROOM_PLAINTEXT": "0",
        "POSTROOM_TOKEN": TOKEN,
        "POSTROOM_CA_FILE": "",
        "POSTROOM_RELAYS__MAIN__HOST": "not ours",
    }

    assert from_environment(environ) == {
        "target": BEYOND,
        "plaintext": False,
        "token": TOKEN,
    }
    assert from_environment({}) == {}


def test_a_truth_of_the_environment_that_is_none_is_refused():
    with pytest.raises(ValueError, match="POSTROOM_PLAINTEXT must be 1 or 0"):
        from_environment({"POSTROOM_PLAINTEXT": "maybe"})


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("", b""),
        ("relays/main", b"\x0a\x0brelays/main"),
        ("x" * 200, b"\x0a\xc8\x01" + b"x" * 200),
    ],
)
def test_health_is_asked_in_protobuf(name, raw):
    assert serialize(name) == raw


@pytest.mark.parametrize(
    ("raw", "health"),
    [
        (b"", Health.UNKNOWN),
        (b"\x08\x01", Health.SERVING),
        (b"\x08\x02", Health.NOT_SERVING),
        (b"\x08\x03", Health.SERVICE_UNKNOWN),
        (b"\x08\x63", Health.UNKNOWN),
    ],
)
def test_health_is_read_from_protobuf(raw, health):
    assert deserialize(raw) is health


@given(st.binary())
def test_any_answer_is_some_health(raw):
    assert deserialize(raw) in Health
