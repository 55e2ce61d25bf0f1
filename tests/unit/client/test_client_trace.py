from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom._trace import trace_metadata

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "parent",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00",
        f"01-{TRACE}-{SPAN}-01-more",
    ],
)
def test_a_traceparent_is_metadata(parent):
    assert trace_metadata(parent) == (("traceparent", parent),)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "rubbish",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"01-{TRACE}-{SPAN}-01-\r\nx",
        f"01-{TRACE}-{SPAN}-01-{'x' * 201}",
    ],
)
def test_what_is_none_is_not_sent(parent):
    assert trace_metadata(parent) == ()


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-..(-.*)?"))
def test_whatever_is_sent_fits_in_a_header(parent):
    values = [value for _, value in trace_metadata(parent)]

    assert all(re.fullmatch(r"[\x21-\x7e]{55,256}", value) for value in values)
