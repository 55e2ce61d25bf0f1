"""Encoded words (RFC 2047)."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.mail.words import encoded_words

from tests.support.mails import CHARACTERS

TEXTS = st.text(CHARACTERS, min_size=1, max_size=400)


def words_of(text: str, column: int = 9) -> list[str]:
    return encoded_words(text, column).split("\r\n ")


@given(TEXTS, st.integers(0, 80))
def test_words_read_as_the_text_that_was_encoded(text, column):
    shown = encoded_words(text, column).replace("\r\n", "").strip()

    assert str(make_header(decode_header(shown))) == text


@given(TEXTS, st.integers(0, 80))
def test_no_word_and_no_line_is_too_long(text, column):
    first, *others = words_of(text, column)

    assert not first or column + len(first) <= 76
    assert all(len(word) <= 75 for word in others)


@given(TEXTS)
def test_no_character_is_split(text):
    for word in words_of(text):
        (raw, charset), *rest = decode_header(word)
        raw.decode(charset)

        assert not rest


@pytest.mark.parametrize("length", [1, 38, 39, 40, 83, 84, 85, 998, 100_000])
def test_a_text_of_any_length_folds(length):
    words = words_of("é" * length)

    assert max(map(len, words)) <= 75
    assert len(words) == -(-max(0, length - 19) // 22) + 1
