from __future__ import annotations

import pytest
from postroom_server.smtp.extensions import NOTHING_OFFERED, Extensions


def offered(*lines: bytes) -> Extensions:
    return Extensions.of([b"relay.example at your service", *lines])


def test_each_keyword_is_seen_whatever_its_case():
    found = offered(
        b"starttls",
        b"Pipelining",
        b"CHUNKING",
        b"8BITMIME",
        b"SMTPUTF8",
        b"DSN",
        b"VRFY",
        b"EnhancedStatusCodes",
    )

    assert found.starttls
    assert found.pipelining
    assert found.chunking
    assert found.eight_bit_mime
    assert found.smtputf8
    assert found.dsn
    assert found.vrfy
    assert found.enhanced_status_codes


def test_the_greeting_line_offers_nothing():
    assert not Extensions.of([b"PIPELINING STARTTLS"]).pipelining


def test_before_ehlo_nothing_is_offered():
    assert NOTHING_OFFERED.lines == ()


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        (b"SIZE", 0),
        (b"SIZE 0", 0),
        (b"size 35882577", 35882577),
        (b"SIZE x", 0),
        (b"SIZE -1", 0),
        (b"SIZE " + b"9" * 30, 0),
        ("SIZE ١٢".encode(), 0),
        (b"SIZE " + b"9" * 20, 2**63 - 1),
        (b"DSN", None),
    ],
)
def test_a_size_limit_is_a_number_or_none(line, limit):
    assert offered(line).size_limit == limit


@pytest.mark.parametrize(
    ("line", "size", "taken"),
    [
        (b"SIZE 10", 10, True),
        (b"SIZE 10", 11, False),
        (b"SIZE", 11, True),
        (b"DSN", 11, True),
    ],
)
def test_a_mail_is_taken_up_to_the_limit(line, size, taken):
    assert offered(line).takes(size) is taken


@pytest.mark.parametrize(
    "lines",
    [
        [b"AUTH PLAIN LOGIN"],
        [b"AUTH=PLAIN LOGIN"],
        [b"auth plain", b"AUTH=LOGIN PLAIN"],
        [b"AUTH PLAIN", b"AUTH LOGIN"],
    ],
)
def test_mechanisms_are_seen_in_the_old_spelling_too(lines):
    assert offered(*lines).auth_mechanisms == ("PLAIN", "LOGIN")


def test_utf8_mail_needs_8bitmime_as_well():
    assert not offered(b"SMTPUTF8").smtputf8


def test_lines_that_make_no_sense_are_survived():
    assert offered(b"", b"   ", b"\xff\xfe", b"AUTH", b"AUTH=").auth_mechanisms == ()


def test_what_is_told_of_them_moves_no_cursor():
    offer = offered(b"X-\x1b[2J bell\x07", b"Y" * 4000)

    assert all(line.isprintable() and len(line) <= 512 for line in offer.lines)
