"""Header fields: folding, encoding, and the net under both."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.mail.fields import MisshapenHeader, block, unstructured

from tests.support.mails import LINES, decoded

NAMES = st.sampled_from(["X", "Subject", "X-" + "n" * 52])
# With these the first encoded word stands on the second line.
LONG_NAMES = st.sampled_from(["X-" + "n" * 53, "X-" + "n" * 74])


def read(raw: bytes, name: str) -> str:
    return str(
        email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)[name]
    )


@given(NAMES, LINES)
def test_a_field_reads_as_the_text_that_was_given(name, value):
    assert read(block([(name, unstructured(name, value))]), name) == value


@given(LONG_NAMES, LINES)
def test_a_field_with_a_long_name_reads_the_same_but_for_white_space(name, value):
    shown = read(block([(name, unstructured(name, value))]), name)

    assert shown in {value, f" {value}"}


@given(NAMES, LINES)
def test_older_readers_read_the_same(name, value):
    raw = block([(name, unstructured(name, value))]) + b"\r\n"
    shown = str(email.message_from_bytes(raw)[name]).replace("\r\n", "").lstrip(" ")

    assert decoded(shown) == value


@given(NAMES | LONG_NAMES, LINES)
def test_lines_are_short_and_never_blank(name, value):
    lines = block([(name, unstructured(name, value))]).split(b"\r\n")[:-1]

    assert all(len(line) <= 998 and line.strip() for line in lines)
    assert all(len(line) <= 76 for line in lines if b"=?utf-8?" in line)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("a  b", "a  b"),
        ("=?utf-8?q?x?=", "=?utf-8?B?PT91dGYtOD9xP3g/PQ==?="),
        (" a", "=?utf-8?q?_a?="),
        ("a ", "=?utf-8?q?a_?="),
        ("   ", "=?utf-8?q?___?="),
        ("a\tb", "=?utf-8?B?YQli?="),
        ("é", "=?utf-8?B?w6k=?="),
        ("Chère maman", "=?utf-8?q?Ch=C3=A8re_maman?="),
        ("Grüße", "=?utf-8?B?R3LDvMOfZQ==?="),
        ("x" * 900, "x" * 900),
        ("ab " * 30 + "c", "ab " * 24 + "ab\r\n " + "ab " * 5 + "c"),
    ],
)
def test_text_is_encoded_only_where_it_must_be(value, written):
    assert unstructured("X", value) == written


@pytest.mark.parametrize(
    ("value", "encoded"),
    [("<a@b> " * 30 + "<c>", False), ("a  b" * 20, True), ("a" + " " * 99 + "b", True)],
)
def test_text_is_folded_at_single_spaces_alone(value, encoded):
    body = unstructured("X", value)

    assert "\r\n " in body
    assert body.startswith("=?utf-8?B?") is encoded


@pytest.mark.parametrize("length", [1, 900, 901, 998, 4096, 100_000])
def test_a_word_of_any_length_fits(length):
    name = "X" * 76
    raw = block([(name, unstructured(name, "x" * length))])

    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert read(raw, name).lstrip() == "x" * length


@pytest.mark.parametrize(
    "field",
    [
        ("X", "a\r\nBcc: b@example.com"),
        ("X", "a\r\n\r\nbody"),
        ("X", "a\r\n \r\n b"),
        ("X", "a\r\nb"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\n b"),
        ("X", "a\0b"),
        ("X", "a\r\n"),
        ("X\r\nBcc", "b"),
        ("X Y", "b"),
        ("", "b"),
        ("X:", "b"),
        ("Ü", "b"),
        ("X", "a" * 996),
    ],
)
def test_a_block_that_reads_differently_never_leaves(field):
    with pytest.raises(MisshapenHeader):
        block([("A", "b"), field, ("C", "d")])
