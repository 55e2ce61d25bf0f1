"""xtext and what stands in it: the relay reads what was meant, and nothing more."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.dsn import Dsn, DsnNotify, DsnReturn
from postroom_server.smtp.commands import mail, rcpt
from postroom_server.smtp.dsn import (
    mail_parameters,
    rcpt_parameters,
    unitext,
    xtext,
)

NEVER, SUCCESS, FAILURE, DELAY = list(DsnNotify)[1:]
FULL, HEADERS = list(DsnReturn)[1:]
# RFC 3461 §4
XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
# RFC 6533 §3, as far as it is ASCII: QCHAR or an escape.
UNITEXT = re.compile(r"(?:[!-*,-<>-\[\]-~]|[^\x00-\x7f]|\\x\{[0-9A-F]{2,6}\})*")

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126))
anything = st.text(st.characters(exclude_categories=["Cs"]))


def read_xtext(text: str) -> str:
    return re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)


def read_unitext(text: str) -> str:
    return re.sub(r"\\x\{([0-9A-F]+)\}", lambda found: chr(int(found[1], 16)), text)


@given(printable)
def test_xtext_reads_back_as_it_was_and_is_nothing_but_xtext(text):
    assert read_xtext(xtext(text)) == text
    assert XTEXT.fullmatch(xtext(text))


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_no_octet_gets_out_of_xtext(text):
    assert XTEXT.fullmatch(xtext(text))
    assert read_xtext(xtext(text)) == text


@given(anything)
def test_unitext_reads_back_as_it_was(text):
    assert read_unitext(unitext(text)) == text


@given(st.text(st.characters(min_codepoint=0, exclude_categories=["Cs"])))
def test_no_character_gets_out_of_unitext(text):
    assert UNITEXT.fullmatch(unitext(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", "abc"), ("a+b=c d", "a+2Bb+3Dc+20d"), ("<>", "<>"), ("\r\n", "+0D+0A")],
)
def test_xtext_spells_out_what_has_a_meaning(text, expected):
    assert xtext(text) == expected


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        (None, []),
        (Dsn(), []),
        (Dsn(return_content=FULL), ["RET=FULL"]),
        (Dsn(return_content=HEADERS), ["RET=HDRS"]),
        (Dsn(envelope_id="a b"), ["ENVID=a+20b"]),
        (Dsn(return_content=FULL, envelope_id="x"), ["RET=FULL", "ENVID=x"]),
        (Dsn(notify=(NEVER,), required=True), []),
    ],
)
def test_mail_says_how_much_and_under_which_id(dsn, expected):
    assert mail_parameters(dsn) == expected


@pytest.mark.parametrize(
    ("dsn", "address", "expected"),
    [
        (None, "a@b.example", []),
        (Dsn(), "a@b.example", ["ORCPT=rfc822;a@b.example"]),
        (
            Dsn(notify=(NEVER,)),
            "a+b=c@b.example",
            ["NOTIFY=NEVER", "ORCPT=rfc822;a+2Bb+3Dc@b.example"],
        ),
        (
            Dsn(notify=(SUCCESS, DELAY)),
            "ä+b@b.example",
            ["NOTIFY=SUCCESS,DELAY", "ORCPT=utf-8;ä\\x{2B}b@b.example"],
        ),
        (
            Dsn(notify=(SUCCESS, FAILURE, DELAY)),
            '"a b"@b.example',
            ["NOTIFY=SUCCESS,FAILURE,DELAY", 'ORCPT=rfc822;"a+20b"@b.example'],
        ),
    ],
)
def test_rcpt_says_when_and_about_whom(dsn, address, expected):
    assert rcpt_parameters(dsn, address) == expected


def test_the_longest_that_is_allowed_fits_on_its_line():
    dsn = Dsn(
        notify=(SUCCESS, FAILURE, DELAY), return_content=FULL, envelope_id="+" * 100
    )
    longest = "=" * 64 + "@" + ".".join(["d" * 62] * 3)
    parameters = ["SIZE=" + "9" * 20, "SMTPUTF8", "BODY=8BITMIME"]

    assert mail(longest, *parameters, *mail_parameters(dsn), utf8=True)
    assert rcpt(longest, *rcpt_parameters(dsn, longest))
    assert rcpt("ä" * 32 + longest[64:], *rcpt_parameters(dsn, longest), utf8=True)
