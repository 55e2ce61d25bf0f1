"""Whose name a caller may send in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.delivery.senders import (
    check_senders,
    named_senders,
    sender_pattern,
)
from postroom_server.domain.address import AddressProblem, parse_address
from postroom_server.domain.errors import SenderNotAllowed
from postroom_server.domain.limits import Limits
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.validation import SenderDefaults, check_any

from tests.support.raw_mails import mime, raw_draft

PATTERNS = tuple(
    map(sender_pattern, ["*@example.com", "noreply@example.org", "*@bücher.example"])
)


def allowed(address, patterns=PATTERNS):
    try:
        check_senders(patterns, [address and parse_address(address)])
    except SenderNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("ada@example.com", True),
        ("ADA@EXAMPLE.COM", True),
        ('"a b"@example.com', True),
        ("noreply@example.org", True),
        ('"noreply"@example.org', True),
        ("ada@bücher.example", True),
        ("ada@xn--bcher-kva.example", True),
        (None, True),
        ("ada@example.org", False),
        ("NoReply@example.org", False),
        ("noreply+x@example.org", False),
        ("ada@sub.example.com", False),
        ("ada@xexample.com", False),
        ("ada@example.com.evil.example", False),
        ('"ada@example.com"@evil.example', False),
        ('"x@example.com> ORCPT=y"@evil.example', False),
        ("ada@ex\u0430mple.com", False),
        ("ada@bucher.example", False),
    ],
)
def test_an_address_is_allowed_by_its_domain_or_as_a_whole(address, fine):
    assert allowed(address) == fine


def test_each_address_must_be_allowed():
    addresses = map(parse_address, ["ada@example.com", "ada@example.net"])
    with pytest.raises(SenderNotAllowed) as caught:
        check_senders(PATTERNS, addresses)

    assert caught.value.metadata == {"sender": "ada@example.net"}


def test_a_star_allows_everybody():
    assert allowed("ada@example.net", ("*",))


def test_no_patterns_allow_nobody():
    assert not allowed("ada@example.net", ())


@pytest.mark.parametrize(
    "text",
    ["", "@example.com", "example.com", "*example.com", "*@", "*@*", "**", "a@b@c.d"],
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(AddressProblem):
        sender_pattern(text)


@given(st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.(com|org)", fullmatch=True))
def test_a_domain_allows_its_own_and_no_other(address):
    domain = address.partition("@")[2]

    assert allowed(address, (sender_pattern(f"*@{domain}"),))
    assert not allowed(address, (sender_pattern(f"*@x{domain}"),))


RAW_SENDERS = [
    (mime(), "<>", True),
    (mime(), "bounces@example.com", True),
    (mime(), "ada@example.net", False),
    (mime("From: ada@example.net", without="From"), "<>", False),
    (mime("From: ADA@EXAMPLE.COM", without="From"), "<>", True),
    (mime("Sender: ada@example.net"), "<>", False),
    (mime("Sender: noreply@example.org"), "<>", True),
    (mime("From: a@example.com, b@example.net", "Sender: a@example.com", without="From"), "<>", False),
    (mime('From: "a@example.com" <x@example.net>', without="From"), "<>", False),
    (mime("Reply-To: ada@example.net"), "<>", True),
]  # fmt: skip


@pytest.mark.parametrize(("data", "envelope_from", "fine"), RAW_SENDERS)
@pytest.mark.parametrize("is_stored", [False, True], ids=["at hand", "stored"])
def test_a_raw_mail_is_sent_in_the_names_of_its_header(
    data, envelope_from, fine, is_stored
):
    name = f"blobs/{'0' * 64}"
    content = {"data": None, "blob": name} if is_stored else {"data": data}
    draft = raw_draft(envelope_from=envelope_from, **content)
    contents = {name: StoredOctets.of(data)}
    valid = check_any(draft, SenderDefaults(), Limits(), contents)
    named = tuple(named_senders(valid, draft))
    if fine:
        check_senders(PATTERNS, named)
    else:
        with pytest.raises(SenderNotAllowed):
            check_senders(PATTERNS, named)
