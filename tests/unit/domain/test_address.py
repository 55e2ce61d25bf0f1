"""Addresses: which are valid, and what goes on the wire for them."""

from __future__ import annotations

import pytest
from postroom_server.domain.address import Address, AddressProblem, parse_address

LONG_DOMAIN = ".".join(["d" * 61] * 3)  # 185 octets


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("bob@example.com", "bob", "example.com"),
        ("Bob.O'Neil+x@Example.COM", "Bob.O'Neil+x", "example.com"),
        ("Postmaster@example.com", "Postmaster", "example.com"),
        ("bob@mail.localhost", "bob", "mail.localhost"),
        ("bob@example.test", "bob", "example.test"),
        ("bob@bücher.example", "bob", "xn--bcher-kva.example"),
        ("bob@faß.de", "bob", "xn--fa-hia.de"),  # UTS 46, non-transitional
        ("bob@例え。jp", "bob", "xn--r8jz45g.jp"),
        ("bob@ｅｘａｍｐｌｅ．com", "bob", "example.com"),
        ("bob@XN--BCHER-KVA.example", "bob", "xn--bcher-kva.example"),
        ("bob@ශ්\u200dරී.com", "bob", "xn--10cl1a0b660p.com"),  # the joiner has a meaning
        ("юзер@example.com", "юзер", "example.com"),
        ('"bob"@example.com', "bob", "example.com"),
        ('"b\\ob"@example.com', "bob", "example.com"),
        ('"a b"@example.com', '"a b"', "example.com"),
        ('"a@b"@example.com', '"a@b"', "example.com"),
        ('"a..b"@example.com', '"a..b"', "example.com"),
        ('"\\a\\"\\\\"@example.com', '"a\\"\\\\"', "example.com"),
        ('"x> ORCPT=a"@example.com', '"x> ORCPT=a"', "example.com"),
        ('"<<a>>"@example.com', '"<<a>>"', "example.com"),
        ('"юзер"@example.com', "юзер", "example.com"),
    ],
)
def test_a_valid_address_has_one_form_on_the_wire(text, local, domain):
    assert parse_address(text) == Address(text, local, domain)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("bob", 'no "@"'),
        ("@example.com", "nothing before"),
        ("bob@", "nothing after"),
        ("a@b@example.com", 'more than one "@"'),
        ("bob@localhost", "two labels"),
        ("bob@example.123", "must not be a number"),
        ("bob@127.0.0.1", "must not be a number"),
        ("bob@[127.0.0.1]", "literals"),
        ("bob@[IPv6:::1]", "literals"),
        ("bob@example..com", "empty label"),
        ("bob@.example.com", "empty label"),
        ("bob@example.com.", "empty label"),
        ("bob@אב.com.", "empty label"),  # the Bidi rule has nothing to look at
        ("bob@-example.com", "inner hyphens"),
        ("bob@example-.com", "inner hyphens"),
        ("bob@exam_ple.com", "inner hyphens"),
        (f"bob@{'d' * 64}.com", "over 63 octets"),
        ("bob@yy--0.example", "IDNA"),
        ("bob@xn--0.example", "IDNA"),
        ("bob@1.xn--4dbrk0ce", "IDNA"),  # one label's direction binds all
        ("bob@💩.example", "IDNA"),
        ("bob@ex\u200dample.com", "IDNA"),  # a joiner that joins nothing
        (".bob@example.com", "single dots"),
        ("bob.@example.com", "single dots"),
        ("b..ob@example.com", "single dots"),
        ("bob smith@example.com", "quotes"),
        (" bob@example.com", "quotes"),
        ("bob@example.com ", "inner hyphens"),
        ("bob(comment)@example.com", "quotes"),
        ("bob@example.com(comment)", "inner hyphens"),
        ("bob@good.com(x)evil.com", "inner hyphens"),
        ("Bob <bob@example.com>", "quotes"),
        ("<bob@example.com>", "quotes"),
        ("<a@good.com>,<b@evil.com>", "quotes"),
        ("a@good.com,b@evil.com", 'more than one "@"'),
        ("@relay.example:bob@example.com", "nothing before"),
        ("friends:bob@example.com;", "quotes"),
        ("=?utf-8?q?bob=40good.com?=@example.com", "encoded word"),
        ("bob@example.com SIZE=1", "inner hyphens"),
        ('"bob@example.com', "does not end"),
        ('"bob"x@example.com', "does not end"),
        ('"a"."b"@example.com', "does not end"),
        ('""@example.com', "empty"),
        ('"a"@b"@example.com', "more than one"),
        ('"a\\é"@example.com', "does not end"),  # only ASCII may follow a backslash
        ("bob@ex\u00adample.com", "invisible"),
        ("b\u200bob@example.com", "invisible"),
        ("b\ufe0fob@example.com", "invisible"),
        ("bob\u3164@example.com", "invisible"),
        ("n\u0303@example.com", "normalization form C"),
        ("\u0301a@example.com", "unsafe"),
        ("b\u00a0ob@example.com", "unsafe"),
        ("\ue000@example.com", "unsafe"),
    ],
)
def test_an_invalid_address_is_refused_with_its_reason(text, why):
    with pytest.raises(AddressProblem, match=why):
        parse_address(text)


@pytest.mark.parametrize(
    "control",
    [*map(chr, range(32)), "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"],
    ids=lambda c: f"U+{ord(c):04X}",
)
@pytest.mark.parametrize(
    "place", ['"a{}b"@example.com', "a{}@example.com", "a@ex{}.com"]
)
def test_control_characters_are_refused_everywhere(place, control):
    with pytest.raises(AddressProblem, match="control"):
        parse_address(place.format(control))


def test_lone_surrogates_are_refused():
    with pytest.raises(AddressProblem, match="control"):
        parse_address("\ud800@example.com")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("x" * 64 + "@example.com", True),
        ("x" * 65 + "@example.com", False),
        ("é" * 32 + "@example.com", True),
        ("é" * 33 + "@example.com", False),
        ('"' + "x " * 31 + '"@example.com', True),  # the quotes count
        ('"' + "x " * 31 + 'y"@example.com', False),
        ('"' + "x" * 64 + '"@example.com', True),  # these are not written
        (f"x@{'d' * 63}.com", True),
        (f"x@{'d' * 64}.com", False),
        (f"{'x' * 64}@{LONG_DOMAIN}.com", True),  # 254 octets
        (f"{'x' * 64}@{LONG_DOMAIN}.info", False),
        (f"x@{'中' + 'd' * 53}.com", True),  # 63 octets as A-label
        (f"x@{'中' + 'd' * 54}.com", False),
        (f"x@{'ü.' * 31}com", True),  # 253 octets, as A-labels
        (f"x@{'ü.' * 32}com", False),
    ],
)
def test_sizes_count_octets_as_sent(text, valid):
    try:
        parse_address(text)
        found = True
    except AddressProblem:
        found = False

    assert found == valid


def test_the_key_ignores_the_case_of_the_domain_alone():
    keys = [
        parse_address(text).key
        for text in (
            "bob@Bücher.example",
            "bob@xn--BCHER-kva.EXAMPLE",
            "Bob@bücher.example",
        )
    ]

    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bob@Example.COM", "Bob@Example.COM"),
        ('"bob"@Example.COM', "bob@Example.COM"),
        ("bob@Bücher.example", "bob@xn--bcher-kva.example"),
        (
            "bob@\u212aelvin.example",
            "bob@kelvin.example",
        ),  # KELVIN SIGN lower-cases to k
    ],
)
def test_headers_keep_the_domain_as_it_was_given(text, shown):
    assert parse_address(text).shown == shown


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("bob@bücher.example", False),
        ("bøb@example.com", True),
        ('"ø b"@example.com', True),
    ],
)
def test_only_the_local_part_can_need_smtputf8(text, needed):
    assert parse_address(text).needs_smtputf8 is needed
