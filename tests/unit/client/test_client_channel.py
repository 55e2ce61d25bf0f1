from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom import Client, Health
from postroom._channel import is_local
from postroom._health import deserialize, serialize


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


def test_plain_text_beyond_this_machine_has_to_be_asked_for():
    with pytest.raises(ValueError, match="plaintext=True"):
        Client("postroom.example.com:50051")


def test_plain_text_beyond_this_machine_can_be_asked_for():
    with Client("postroom.example.com:50051", plaintext=True) as client:
        assert client.target == "postroom.example.com:50051"


def test_plain_text_can_be_refused_for_this_machine_too():
    with pytest.raises(ValueError, match="plain text"):
        Client("localhost:50051", plaintext=False)


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
