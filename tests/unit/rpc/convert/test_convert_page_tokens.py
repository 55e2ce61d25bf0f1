from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.domain.errors import InvalidToken
from postroom_server.outbox.store import DeliveryQuery
from postroom_server.rpc.convert.page_tokens import LONGEST, VALID, PageTokens

from tests.support.deliveries import NOW

ID = "0190" + "a" * 28
QUERY = DeliveryQuery(tenant="default")
SECRET = b"of this store"
TOKENS = PageTokens(SECRET)
TOKEN = TOKENS.make((NOW, ID), QUERY, NOW)
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

instants = st.integers(-(2**62), 2**62).map(Instant)
filters = st.builds(
    DeliveryQuery,
    tenant=st.just("default"),
    statuses=st.frozensets(st.sampled_from(DeliveryStatus), max_size=3),
    relay=st.sampled_from(["", "main", "other"]),
    recipient=st.sampled_from(["", "ada@example.com"]),
    message_id=st.text(max_size=5),
    tag=st.sampled_from(["", "a"]),
    metadata=st.sampled_from([(), (("a", "1"),), (("a", "1"), ("b", "2"))]),
    accepted_from=st.none() | instants,
    accepted_before=st.none() | instants,
)


@given(filters, instants, st.from_regex(r"[0-9a-f]{32}", fullmatch=True))
def test_a_token_leads_back_to_its_place(query, accepted_at, delivery_id):
    token = TOKENS.make((accepted_at, delivery_id), query, NOW)

    assert TOKENS.read(token, query, NOW) == (accepted_at, delivery_id)


@given(filters)
def test_a_token_of_another_filter_is_refused(query):
    if query == QUERY:
        return
    with pytest.raises(InvalidToken):
        TOKENS.read(TOKEN, query, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "acme"},
        {"statuses": frozenset({DeliveryStatus.RETRY})},
        {"relay": "main"},
        {"recipient": "ada@example.com"},
        {"message_id": "<1@example.com>"},
        {"tag": "a"},
        {"metadata": (("a", "1"),)},
        {"accepted_from": NOW},
        {"accepted_before": NOW},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_token_belongs_to_each_condition(change):
    with pytest.raises(InvalidToken, match="another filter"):
        TOKENS.read(TOKEN, replace(QUERY, **change), NOW)


@pytest.mark.parametrize("change", [{"limit": 7}, {"before": (NOW, "1")}])
def test_a_token_leaves_the_size_of_pages_free(change):
    assert TOKENS.read(TOKEN, replace(QUERY, **change), NOW) == (NOW, ID)


def test_a_token_ends_after_a_day():
    assert TOKENS.read(TOKEN, QUERY, after(NOW, VALID)) == (NOW, ID)
    with pytest.raises(InvalidToken, match="older"):
        TOKENS.read(TOKEN, QUERY, after(NOW, VALID + 1))


def test_a_clock_set_back_ends_no_token():
    assert TOKENS.read(TOKEN, QUERY, after(NOW, -60)) == (NOW, ID)


def test_every_process_of_a_store_reads_the_tokens_of_the_others():
    assert PageTokens(SECRET).read(TOKEN, QUERY, NOW) == (NOW, ID)


def test_a_token_of_another_store_is_refused():
    with pytest.raises(InvalidToken):
        PageTokens(b"of another").read(TOKEN, QUERY, NOW)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(URL_SAFE + "=+ \n\0é"))
def test_a_token_with_a_changed_character_is_refused(place, character):
    if TOKEN[place] == character:
        return
    with pytest.raises(InvalidToken):
        TOKENS.read(TOKEN[:place] + character + TOKEN[place + 1 :], QUERY, NOW)


@given(st.text(max_size=200) | st.text(URL_SAFE, max_size=200))
def test_what_we_did_not_make_is_refused(token):
    with pytest.raises(InvalidToken):
        TOKENS.read(token, QUERY, NOW)


@given(st.binary(max_size=100))
def test_bytes_that_we_did_not_seal_are_refused(raw):
    with pytest.raises(InvalidToken):
        TOKENS.read(urlsafe_b64encode(raw).decode().rstrip("="), QUERY, NOW)


@pytest.mark.parametrize(
    "token",
    [
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        TOKEN + "====",
        TOKEN + "\n",
        TOKEN.replace("", " ", 1),
        TOKEN * 2,
        "A" * (LONGEST + 1),
        "\ud800",
    ],
)
def test_a_token_has_one_spelling(token):
    with pytest.raises(InvalidToken):
        TOKENS.read(token, QUERY, NOW)


def test_a_token_fits_a_query_string():
    assert set(TOKEN) <= set(URL_SAFE)
    assert len(TOKEN) < LONGEST / 2
