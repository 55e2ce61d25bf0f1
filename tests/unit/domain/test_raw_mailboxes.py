"""A From header that readers could understand in two ways is refused."""

from __future__ import annotations

import contextlib
import time
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.raw_header import UnreadableHeader
from postroom_server.domain.raw_mailboxes import MOST_CHARACTERS, mailboxes

from tests.support.mails import DOMAINS, LOCALS

ALLOWED = {
    "ann@example.com": ["ann@example.com"],
    "<ann@example.com>": ["ann@example.com"],
    "Ann <ann@example.com>": ["ann@example.com"],
    "Ann E. Smith <ann@example.com>": ["ann@example.com"],
    '"Smith, Ann" <ann@example.com>': ["ann@example.com"],
    '"Ann \\"A\\" Smith" <ann@example.com>': ["ann@example.com"],
    "Ann\t<ann@example.com> ": ["ann@example.com"],
    "Zoë <zoe@example.com>": ["zoe@example.com"],
    "=?utf-8?q?Zo=C3=AB?= <zoe@example.com>": ["zoe@example.com"],
    "=?utf-8?q?Smith=2C_Zo=C3=AB?= <zoe@example.com>": ["zoe@example.com"],
    "ann@example.com, Bob <bob@example.org>": ["ann@example.com", "bob@example.org"],
    '"a@b" <ann@example.com>': ["ann@example.com"],
    '"a b"@example.com': ['"a b"@example.com'],
    '"a@b"@example.com': ['"a@b"@example.com'],
    "ann@Bücher.example": ["ann@xn--bcher-kva.example"],
    "zoë@example.com": ["zoë@example.com"],
}


@pytest.mark.parametrize(("value", "wires"), ALLOWED.items(), ids=ALLOWED)
def test_plain_mailboxes_are_read(value, wires):
    assert [address.wire for address in mailboxes(value)] == wires


REFUSED = {
    "nothing": "",
    "white space": "  ",
    "a name alone": "Ann",
    "a group": "Friends: ann@example.com, bob@example.org;",
    "an empty group": "undisclosed-recipients:;",
    "a route": "<@relay.example:ann@example.com>",
    "a comment after": "ann@example.com (Ann)",
    "a comment before": "(bank@example.org) ann@example.com",
    "a comment in the domain": "ann@example.com(x).example.org",
    "a comment in the name": "Ann (x) <ann@example.com>",
    "an address for a name": "bank@example.org <ann@example.com>",
    "two in brackets": "<bank@example.org> <ann@example.com>",
    "brackets in brackets": "<<ann@example.com>>",
    "brackets that do not end": "<ann@example.com",
    "something behind": "<ann@example.com> x",
    "quotes that do not end": '"Ann <ann@example.com>',
    "a semicolon": "ann@example.com; bob@example.org",
    "an empty place": "ann@example.com,, bob@example.org",
    "a comma at the end": "ann@example.com,",
    "a comma first": ",ann@example.com",
    "white space in an address": "ann @example.com",
    "two at": "ann@bank.example@example.com",
    "an escaped space": "ann\\ x@example.com",
    "no domain": "ann@",
    "one label": "ann@localhost",
    "a literal": "ann@[127.0.0.1]",
    "base64 that ends early": "=?utf-8?b?QUE=PGV2aWxAYmFuaz4=?= <ann@example.com>",
    "base64 with what is none": "=?utf-8?b?Q!UE=?= <ann@example.com>",
    "an encoded address": "=?utf-8?q?bank=40example=2Eorg?= <ann@example.com>",
    "an address in two words": "=?utf-8?q?bank=40?= =?utf-8?q?x.org?= <ann@example.com>",
    "an encoded bracket": "=?utf-8?q?=3Cx?= <ann@example.com>",
    "an encoded word in quotes": '"=?utf-8?q?bank=40x.org?=" <ann@example.com>',
    "an encoded at": "bank =?utf-8?q?=40?= x.org <ann@example.com>",
    "an encoded at in a word": "bank=?utf-8?q?=40?=x.org <ann@example.com>",
    "an unknown character set": "=?x-none?q?a?= <ann@example.com>",
    "half an encoded character": "=?utf-8?q?=C3?= <ann@example.com>",
    "an encoded line end": "=?utf-8?q?=0A?= <ann@example.com>",
    "an encoded local part": "=?utf-8?q?bank?=@example.com",
    "an encoded word without end": "=?utf-8?q?bank <ann@example.com>",
    "a question mark in a word": "=?utf-8?q?a?b=40c.org?= <ann@example.com>",
    "a word that is too long": f"=?utf-8?q?{'a' * 80}?= <ann@example.com>",
    "invisible": "an\u200bn@example.com",
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_list_of_mailboxes_is_refused(value):
    with pytest.raises(UnreadableHeader):
        mailboxes(value)


phrases = st.sampled_from(["", "Ann ", '"Smith, A. (x) <y>" ', "A. B. "])
plain = st.builds(
    lambda phrase, local, domain: (
        f"{phrase}<{local}@{domain}>" if phrase else f"{local}@{domain}"
    ),
    phrases,
    LOCALS,
    DOMAINS,
)


@given(st.lists(plain, min_size=1, max_size=4))
def test_what_is_allowed_is_read_as_the_standard_library_reads_it(boxes):
    value = ", ".join(boxes)
    ours = [address.given for address in mailboxes(value)]

    assert ours == [address for _, address in getaddresses([value])]


noise = st.text(st.sampled_from('ab.@<>(),:;"\\ =?é[]'), max_size=24)


@given(noise, plain, noise)
def test_what_surrounds_an_address_never_hides_another(before, box, after):
    value = f"{before}{box}{after}"
    try:
        ours = [address.given for address in mailboxes(value)]
    except UnreadableHeader:
        return

    assert ours == [address for _, address in getaddresses([value]) if address]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_header_that_is_read_for_addresses_has_a_limit(extra):
    value = "ann@example.com".rjust(MOST_CHARACTERS + extra)

    if extra <= 0:
        assert len(mailboxes(value)) == 1
    else:
        with pytest.raises(UnreadableHeader, match=r"longer than 4,096"):
            mailboxes(value)


WORST = [
    "a",
    "a ",
    '"',
    '"\\',
    "=?",
    "=?a?q?",
    "a@b.c,",
    "a@",
    "<",
    " ",
    "é",
    "=?utf-8?q??= ",
]


@pytest.mark.parametrize("piece", WORST)
def test_the_worst_header_takes_no_time(piece):
    began = time.process_time()
    with contextlib.suppress(UnreadableHeader):
        mailboxes((piece * MOST_CHARACTERS)[:MOST_CHARACTERS])

    assert time.process_time() - began < 1
