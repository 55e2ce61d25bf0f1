"""Quoted-printable, octet for octet what `binascii` writes (RFC 2045 §6.7)."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from postroom_server.mail.quoted import quoted_printable

# What the rules are about comes often; NUL is in no text.
PIECES = st.one_of(
    st.sampled_from(
        [
            "\r\n",
            " ",
            "\t",
            ".",
            "=",
            "ä",
            "€",
            "From ",
            "x" * 36,
            "x" * 74,
            "\r\n.\r\n",
        ]
    ),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r\n")),
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


def reference(text: bytes) -> bytes | None:
    """*text* by way of the standard library, which knows no mbox files."""
    lines = binascii.b2a_qp(text + b"\r\n", istext=True)[:-2]
    while b"\nFrom " in lines or lines.startswith(b"From "):
        lines = (b"\n" + lines).replace(b"\nFrom ", b"\n=46rom =\r\n")[1:]
    return lines if max(map(len, lines.split(b"\r\n"))) <= 76 else None


@given(TEXTS)
@settings(max_examples=500)
@example("")
@example(".\r\n.\r\n..\r\n")
@example("x" * 75 + "\r\n" + "x" * 76 + "\r\n")
@example("From From " + "x" * 66 + " \r\nFrom")
def test_any_text_is_written_as_the_standard_library_writes_it(text):
    raw = text.encode()

    assert quoted_printable(raw) == reference(raw)


@pytest.mark.parametrize("width", range(68, 80))
@pytest.mark.parametrize("tail", ["", "ä", "=", "ä=", "=ä", "x", "xä", " ", "\t", " ."])
def test_an_escape_that_does_not_fit_begins_the_next_line(width, tail):
    raw = ("x" * width + tail + "y" * 80 + tail).encode()

    assert quoted_printable(raw) == reference(raw)


def test_white_space_that_makes_a_line_too_long_is_not_written():
    assert quoted_printable(b"x" * 74 + b" ") is None
    assert quoted_printable(b"x" * 73 + b" ") == b"x" * 73 + b"=20"


def test_each_octet_that_is_not_plain_is_escaped():
    odd = bytes(set(range(1, 256)) - set(range(32, 127)) - set(b"\t\r\n"))

    assert quoted_printable(odd) == reference(odd)
