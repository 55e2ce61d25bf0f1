"""Lines of mail are found out whatever blocks they come in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.lines import MAX_LINE, LineScan

PIECES = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"a",
    b"\xc3\xa9",
    b".",
    b"x" * (MAX_LINE - 1),
    b"y" * MAX_LINE,
    b"z" * (MAX_LINE + 1),
    b"w" * 2500,
]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join)


def by_definition(data: bytes) -> dict[str, bool]:
    """What holds for *data*, told without any care for speed."""
    return {
        "is_ascii": all(octet < 128 for octet in data),
        "has_nul": 0 in data,
        "has_bare_ends": bool(re.search(rb"\r(?!\n)|(?<!\r)\n", data)),
        "has_long_lines": any(len(li) > MAX_LINE for li in data.split(b"\r\n")),
        "ends_in_crlf": not data or data.endswith(b"\r\n"),
    }


def found(scan: LineScan) -> dict[str, bool]:
    return {name: getattr(scan, name) for name in by_definition(b"")}


@given(texts, st.lists(st.integers(0, 1100), max_size=12))
def test_a_scan_finds_what_is_there_whatever_the_blocks(data, sizes):
    blocks, rest = [], data
    for size in sizes:
        blocks.append(rest[:size])
        rest = rest[size:]

    assert found(LineScan.of([*blocks, rest])) == by_definition(data)


@given(texts)
def test_a_scan_of_single_octets_finds_the_same(data):
    single = [data[i : i + 1] for i in range(len(data))]

    assert found(LineScan.of(single)) == by_definition(data)


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1])
@pytest.mark.parametrize("end", [b"", b"\r\n"])
@pytest.mark.parametrize("block", [1, 997, 998, 999, 1000, 1001, 4096])
def test_a_line_may_have_998_octets(length, end, block):
    data = b"x" * length + end
    blocks = [data[i : i + block] for i in range(0, len(data), block)]

    assert LineScan.of(blocks).has_long_lines is (length > MAX_LINE)


def test_a_line_that_never_ends_is_not_kept():
    scan = LineScan()
    for _ in range(1000):
        scan.feed(b"x" * 4096)

    assert len(scan._open) <= MAX_LINE + 1


def test_lines_are_lines_whether_8_bit_or_not():
    assert LineScan.of([b"\xe9\r\n"]).are_lines
    assert not LineScan.of([b"a\nb\r\n"]).are_lines
