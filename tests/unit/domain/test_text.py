"""Text of others is shown in a bounded, printable form."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.text import printable


@given(st.text() | st.binary(), st.integers(min_value=8, max_value=64))
def test_what_is_shown_is_printable_and_short(raw, limit):
    shown = printable(raw, limit)

    assert shown.isprintable()
    assert len(shown.encode()) <= limit


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("12345678", "12345678"),
        ("123456789", "12345…"),
        ("éééé", "éééé"),
        ("ééééé", "éé…"),
        ("\x1b[1m", "\\x1b[1m"),
        (b"\xff", "\\xff"),
        (b"1234567\xc3", "12345…"),
        ("\ud800", "\\x3f"),
    ],
)
def test_what_is_too_long_ends_in_an_ellipsis(raw, shown):
    assert printable(raw, 8) == shown


def test_what_is_not_shown_costs_nothing():
    begun = time.process_time()
    printable("\x01" * 10_000_000, 128)

    assert time.process_time() - begun < 0.5
