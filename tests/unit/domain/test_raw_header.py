"""The header of a mail that somebody else composed is read strictly."""

from __future__ import annotations

import contextlib
import email
import email.policy
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.raw_header import (
    UnreadableHeader,
    parse_header,
    readable,
)


def test_names_are_in_lower_case_and_values_unfolded():
    header = parse_header(b"FROM: Ann\r\n <ann@example.com>\r\nTo:\tbob\r\n")

    assert header.fields == (("from", "Ann <ann@example.com>"), ("to", "bob"))
    assert header.all("from") == ("Ann <ann@example.com>",)
    assert header.all("cc") == ()


def test_its_size_is_that_of_its_lines():
    assert parse_header(b"A: b\r\nC: d\r\n").size == 12


def test_a_header_in_utf8_is_told_apart():
    assert parse_header(b"A: b\r\n").is_ascii
    assert not parse_header("A: é\r\n".encode()).is_ascii


REFUSED = {
    "a space before the colon": b"From : ann@example.com\r\n",
    "a tab before the colon": b"From\t: ann@example.com\r\n",
    "no colon": b"From ann@example.com\r\n",
    "no name": b": ann@example.com\r\n",
    "a continuation first": b" From: ann@example.com\r\n",
    "a name beyond ASCII": "Frôm: ann@example.com\r\n".encode(),
    "a line of a space": b"A: b\r\n \r\nFrom: ann@example.com\r\n",
    "a line of a tab": b"A: b\r\n\t\r\nFrom: ann@example.com\r\n",
    "a line of spaces at the end": b"A: b\r\n  \r\n",
    "a bare LF": b"A: b\nFrom: ann@example.com\r\n",
    "a bare CR": b"A: b\rFrom: ann@example.com\r\n",
    "no end": b"A: b",
    "NUL": b"A: \0\r\n",
    "VT": b"A: \x0bFrom: x\r\n",
    "FF": b"A: \x0cFrom: x\r\n",
    "ESC": b"A: \x1b[2J\r\n",
    "DEL": b"A: \x7f\r\n",
    "next line": "A: \x85From: x\r\n".encode(),
    "line separator": "A: \u2028From: x\r\n".encode(),
    "Latin-1": b"A: \xe9\r\n",
    "half a character": b"A: \xc3\r\n",
    "an encoded surrogate": b"A: \xed\xa0\x80\r\n",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_two_readers_might_read_in_two_ways_is_refused(raw):
    with pytest.raises(UnreadableHeader):
        parse_header(raw)


names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"),
    min_size=1,
    max_size=12,
)
words = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters="\x7f\x85"),
    min_size=1,
    max_size=12,
).filter(lambda word: not any(0x7F <= ord(c) <= 0x9F for c in word))
values = st.lists(words, min_size=1, max_size=4)
folds = st.sampled_from([" ", "\r\n ", "\r\n\t"])


@given(st.lists(st.tuples(names, values, folds), min_size=1, max_size=6))
def test_what_is_read_is_what_the_standard_library_reads(fields):
    lines = [f"{name}: {fold.join(value)}\r\n" for name, value, fold in fields]
    raw = "".join(lines).encode()
    judge = email.message_from_bytes(raw + b"\r\n", policy=email.policy.SMTPUTF8)
    read = [
        (name.lower(), value.encode("utf-8", "surrogateescape").decode())
        for name, value in judge._headers
    ]

    assert [(n, v.replace("\r\n", "")) for n, v in read] == list(
        parse_header(raw).fields
    )


def test_encoded_words_are_decoded_for_those_who_look():
    assert readable("=?utf-8?q?h=C3=A9llo?= you") == "héllo you"


UNREADABLE = {
    "an unknown character set": "=?x-none?q?a?=",
    "half a character": "=?utf-8?q?=C3?=",
    "damaged base64": "=?utf-8?b?A?=",
    "a codec that gives no text": "=?zlib?b?eJw=?=",
    "a line end": "=?utf-8?q?a=0D=0AFrom:_x?=",
    "a control": "=?utf-8?q?=1B[2J?=",
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_what_can_not_be_decoded_is_left_as_it_is(value):
    assert readable(value) == value


@given(st.text(max_size=80))
def test_any_value_can_be_made_readable(value):
    readable(value).encode("utf-8", "surrogatepass")


HOSTILE = {
    "colons": b"a:" * 32_000 + b"\r\n",
    "a name without end": b"a" * 65_000 + b"\r\n",
    "folds": b"a: " + b"\r\n x" * 16_000 + b"\r\n",
    "folds without end": b"a: " + b"\r\n x" * 16_000,
    "fields": b"a:b\r\n" * 13_000,
    "folds of white space": b"a: b" + b"\r\n " * 21_000 + b"\r\n",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_the_worst_64_kib_take_no_time(raw):
    began = time.process_time()
    with contextlib.suppress(UnreadableHeader):
        parse_header(raw)

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "value", ["=?a?q?" * 11_000, "=?" * 32_000, "=?a?b?====" * 6000]
)
def test_the_worst_subject_takes_no_time(value):
    began = time.process_time()
    readable(value)

    assert time.process_time() - began < 1
