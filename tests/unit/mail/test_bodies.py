"""Transfer encodings of texts and files."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.familiar import Familiar
from postroom_server.mail.bodies import base64_lines, file_body, text_body

from tests.support.mails import BODIES

KB = 1024


def canonical(text: str) -> bytes:
    one = text.replace("\r\n", "\n").replace("\r", "\n")
    return one.replace("\n", "\r\n").encode()


def decode(encoding: str, raw: bytes) -> bytes:
    match encoding:
        case "7bit":
            return raw
        case "quoted-printable":
            return quopri.decodestring(raw)
        case _:
            return base64.b64decode(raw)


@given(BODIES)
def test_a_text_arrives_with_crlf_and_otherwise_as_it_was(text):
    body = text_body(text)

    assert decode(body.encoding, b"".join(body.pieces)) == canonical(text)


@given(BODIES)
def test_what_is_sent_is_7_bit_in_short_lines(text):
    body = text_body(text)
    raw = b"".join(body.pieces)
    longest = 998 if body.encoding == "7bit" else 76

    assert raw.isascii()
    assert b"\0" not in raw
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= longest


@given(BODIES)
def test_no_line_begins_like_the_next_mail_of_an_mbox(text):
    body = text_body(text)

    assert b"\nFrom " not in b"\n" + b"".join(body.pieces)


@given(BODIES)
def test_encoded_lines_never_end_in_white_space(text):
    body = text_body(text)
    lines = b"".join(body.pieces).split(b"\r\n")

    assert body.encoding == "7bit" or all(x == x.rstrip(b" \t") for x in lines)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("tab\tand ~\n.\n..\n", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 998 + "\n" + "x" * 998 + "\n", "7bit"),
        ("x" * 999, "quoted-printable"),
        ("a\n" + "x" * 999 + "\nb", "quoted-printable"),
        ("x" * 999 * KB, "base64"),
        ("\x1b[31m", "quoted-printable"),
        ("\x7f", "quoted-printable"),
        ("From here\n", "quoted-printable"),
        ("a\nFrom here\n", "quoted-printable"),
        ("a From here\n", "7bit"),
        ("Grüße aus Köln, bitte melden\n", "quoted-printable"),
        ("Grüße aus Köln, bitte melden\n" * 3 * KB, "base64"),
        ("é\nFrom " + "x" * 71 + "\n", "quoted-printable"),
        ("é" + "x" * 67 + "\t\n", "quoted-printable"),
        ("é" + "x" * 68 + "\t\n", "base64"),  # the line would have 77
        ("東京から\n", "base64"),
        ("Привет, мир\n", "base64"),
    ],
    ids=lambda value: value[:20].strip(),
)
def test_the_encoding_suits_the_text(text, encoding):
    assert text_body(text).encoding == encoding


@given(st.binary(max_size=200_000))
def test_a_file_arrives_as_it_was(data):
    assert base64.b64decode(b"".join(base64_lines(data)), validate=False) == data


@pytest.mark.parametrize(
    "size",
    [0, 1, 56, 57, 58, 57 * 512 - 1, 57 * 512, 57 * 512 + 1, 57 * 1024 + 30, 1_048_576],
)
def test_base64_is_what_the_standard_library_writes(size):
    data = bytes(i * 7 % 256 for i in range(size))
    expected = base64.encodebytes(data).replace(b"\n", b"\r\n")

    assert b"".join(base64_lines(data)) == expected


def test_a_large_file_is_encoded_in_blocks():
    body = file_body(bytes(1_048_576), verbatim=False)

    assert max(map(len, body.pieces)) < 64 * KB


def test_a_verbatim_file_is_not_touched_nor_copied():
    data = b"Subject: x\r\n\r\nhi"

    assert file_body(data, verbatim=True).pieces[0] is data


def test_familiar_octets_are_encoded_once():
    data = bytes(range(256)) * 300
    leaflet = Familiar(data)

    first, again = (file_body(leaflet, verbatim=False) for _ in range(2))

    assert first.pieces[0] is again.pieces[0]
    assert b"".join(first.pieces) == b"".join(file_body(data, verbatim=False).pieces)
    assert file_body(leaflet, verbatim=True).pieces == (data,)
