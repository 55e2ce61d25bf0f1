from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.secret import Secret
from postroom_server.smtp.auth import choose
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.login import mechanism_for
from postroom_server.smtp.oauth import OAuthBearer, XOAuth2, reasons_in
from postroom_server.smtp.settings import RelaySettings


def relay(**fields) -> RelaySettings:
    plain = {
        "id": "main",
        "host": "server.example.com",
        "port": 143,
        "username": "user@example.com",
    }
    return RelaySettings(**(plain | fields))


def test_oauthbearer_speaks_as_in_rfc_7628():
    token = Secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")
    example = (
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQz"
        "AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9"
        "PQEB"
    )

    assert base64.b64encode(OAuthBearer(relay(), token).initial()).decode() == example


def test_xoauth2_speaks_as_its_inventor_documents():
    token = Secret("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    example = (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRj"
        "Mk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )
    said = XOAuth2(relay(username="someuser@example.com"), token).initial()

    assert base64.b64encode(said).decode() == example


def test_a_name_with_the_signs_of_its_header_is_escaped():
    said = OAuthBearer(relay(username="a=b,c"), Secret("t")).initial()

    assert said.startswith(b"n,a=a=3Db=2Cc,\1")


@pytest.mark.parametrize(("kind", "answer"), [(OAuthBearer, b"\1"), (XOAuth2, b"")])
def test_an_error_is_answered_without_meaning_and_kept(kind, answer):
    responder = kind(relay(), Secret("t"))

    assert responder.answer(b'{"status":"401"}') == answer
    assert responder.refusal == b'{"status":"401"}'


@pytest.mark.parametrize("kind", [OAuthBearer, XOAuth2])
def test_an_empty_challenge_asks_for_the_token_again(kind):
    responder = kind(relay(), Secret("t"))

    assert responder.answer(b"") == responder.initial()
    assert responder.refusal == b""


@pytest.mark.parametrize(
    ("challenge", "reasons"),
    [
        (
            b'{"status":"401","schemes":"bearer mac","scope":"https://mail.example/"}',
            "status 401, schemes bearer mac, scope https://mail.example/",
        ),
        (b'{"status":"invalid_token"}', "status invalid_token"),
        (b'{"status":400}', "status 400"),
        (b'{"status":["x"],"scope":""}', ""),
        (b'{"openid-configuration":"https://x"}', ""),
        (b'{"scope":"' + b"s" * 500 + b'"}', "scope " + "s" * 120),
        (b"[]", ""),
        (b"[" * 12_000, ""),
        (b"not JSON", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_reasons_of_a_refusal_are_read(challenge, reasons):
    assert reasons_in(challenge) == reasons


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
REASONS = st.dictionaries(st.sampled_from(["status", "schemes", "scope", "x"]), JSON)


@given(st.binary() | REASONS.map(json.dumps).map(str.encode))
def test_any_challenge_is_read_in_few_words(challenge):
    assert len(reasons_in(challenge)) < 3 * 140


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("", "AUTH LOGIN PLAIN XOAUTH2 OAUTHBEARER", "OAUTHBEARER"),
        ("", "AUTH LOGIN XOAUTH2", "XOAUTH2"),
        ("xoauth2", "AUTH XOAUTH2 OAUTHBEARER", "XOAUTH2"),
    ],
)
def test_with_a_token_only_its_mechanisms_are_chosen(wanted, offered, chosen):
    extensions = Extensions.of([b"hello", offered.encode()])
    settings = relay(auth_mechanism=wanted, tokens=object())

    assert mechanism_for(settings, extensions) == chosen


def test_without_a_token_its_mechanisms_are_not_chosen():
    assert choose("", ("XOAUTH2", "OAUTHBEARER")) is None
    assert choose("xoauth2", ("XOAUTH2",)) is None
