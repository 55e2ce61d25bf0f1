"""Looking credentials up takes as long for every token, and finds one at most."""

from __future__ import annotations

from hmac import compare_digest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.clock import after
from postroom_server.domain.principal import OWNER, Credential, Principal
from postroom_server.rpc import credentials as module
from postroom_server.rpc.access import Access, authorization_in
from postroom_server.rpc.credentials import Credentials

from tests.support.callers import a_caller
from tests.support.clocks import FakeClock

FIRST, SECOND = a_caller("first"), a_caller("second")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def known(clock):
    return Credentials((FIRST.credential, SECOND.credential), clock)


@pytest.fixture
def compared(monkeypatch):
    """The lengths of what is compared in constant time."""
    lengths = []

    def spy(one, other):
        lengths.append((len(one), len(other)))
        return compare_digest(one, other)

    monkeypatch.setattr(module.hmac, "compare_digest", spy)
    return lengths


@pytest.mark.parametrize(
    "token",
    [FIRST.token, SECOND.token, a_caller().token, "", "x", "é" * 40],
    ids=["first", "second", "unknown", "empty", "short", "no ASCII"],
)
def test_any_token_costs_one_comparison_of_whole_digests(known, compared, token):
    known.of_token(f"Bearer {token}")

    assert compared == [(32, 32)]


def test_a_token_stands_for_its_caller(known):
    assert known.of_token(f"Bearer {SECOND.token}") == SECOND.credential.principal


@given(st.text())
def test_no_other_text_stands_for_anybody(text):
    known = Credentials((FIRST.credential,), FakeClock())

    assert known.of_token(text) is None
    assert known.of_token(f"Bearer {text}") is None


def test_a_credential_ends_with_its_moment(clock):
    caller = a_caller(expires_at=after(clock.now(), 10))
    known = Credentials((caller.credential,), clock)
    found = []
    for seconds in (9.999, 0.001, 1):
        clock.advance(seconds)
        found.append(known.of_token(f"Bearer {caller.token}") is not None)

    assert found == [True, False, False]


def test_without_credentials_everybody_is_the_owner(clock):
    nobody = Credentials((), clock)

    assert nobody.of_token("") is OWNER
    assert nobody.of_peer({}) is OWNER
    assert not nobody.required


def test_a_peer_whose_certificate_cannot_be_read_is_nobody(clock):
    named = Credential(principal=Principal(name="web"), certificates=("a.example",))
    known = Credentials((named,), clock)
    peer = {"peer_dns": [b"a.example"]}

    assert known.of_peer(peer) is named.principal
    assert known.of_peer({**peer, "x509_pem_cert": [b"?"]}) is None
    assert known.of_peer({"peer_dns": [b"\xff"], "peer_uri": [b"\xff"]}) is None


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        (None, None),
        ((), None),
        ((("other", "x"),), None),
        ((("authorization", "x"),), "x"),
        ((("authorization", b"x"),), ""),
        ((("authorization", "x"), ("authorization", "x")), ""),
    ],
)
def test_a_call_carries_one_credential_or_none(metadata, found):
    assert authorization_in(metadata) == found


def test_nobody_may_call_a_method_without_a_row():
    assert not Access.NOBODY.allows(OWNER)
