from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.smtp.dots import stuffed

pieces = st.lists(
    st.sampled_from([b".", b"\r\n", b"..", b"a", b"\r\n.", b".\r\n", b""])
)


def unstuffed(wire: bytes) -> bytes:
    """What a relay keeps (RFC 5321 §4.5.2), after finding the first end of data."""
    end = (b"\r\n" + wire).index(b"\r\n.\r\n")
    assert end + 3 == len(wire), "an end of data before the end"
    kept = (b"\r\n" + wire[:end]).replace(b"\r\n.", b"\r\n")
    return kept[2:]


@given(pieces)
def test_a_relay_keeps_exactly_what_was_composed(chunks):
    content = b"".join(chunks)
    complete = (
        content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    )

    assert unstuffed(b"".join(stuffed(chunks))) == complete


@pytest.mark.parametrize("width", [1, 2, 3, 5, 64, 4096, 65536])
def test_dots_are_found_across_the_borders_of_chunks(width):
    content = b".\r\n..\r\n.a\r\n\r\n.\r\n" * 40
    chunks = [content[at : at + width] for at in range(0, len(content), width)]

    assert unstuffed(b"".join(stuffed(chunks))) == content


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
    ],
)
def test_the_wire_has_these_octets(content, wire):
    assert b"".join(stuffed([content])) == wire


def test_a_chunk_without_leading_dots_is_not_copied():
    chunk = b"a.b\r\n" * 1000

    assert next(stuffed([chunk])) is chunk
