from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.errors import (
    ChecksumMismatch,
    InvalidArgument,
    StreamProtocol,
)
from postroom_server.rpc.frames import (
    ContentTally,
    FrameOrder,
    PartOrder,
    check_content,
)

FOUR = (4, hashlib.sha256(b"four").digest())

KINDS = st.lists(st.sampled_from(["header", "chunk", "end", None]), max_size=6)
PARTS = st.sampled_from(["parts/a", "parts/b", "parts/c"])


def stream(kinds):
    order = FrameOrder()
    for kind in kinds:
        order.take(kind)
    order.close()


def take_parts(chunks, order):
    for part, size in chunks:
        order.take(part, size)
    order.close()


def accepted(kinds):
    try:
        stream(kinds)
    except StreamProtocol:
        return False
    return True


@given(KINDS)
def test_one_header_any_chunks_and_one_end_are_a_stream_and_nothing_else(kinds):
    whole = (
        len(kinds) >= 2
        and (kinds[0], kinds[-1]) == ("header", "end")
        and set(kinds[1:-1]) <= {"chunk"}
    )

    assert accepted(kinds) is whole


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["chunk"], "a frame 'chunk' where header was due"),
        (["end"], "a frame 'end' where header was due"),
        (["header", "header"], "a frame 'header' where chunk or end was due"),
        (["header", "end", "chunk"], "a frame 'chunk' where nothing more was due"),
        (["header", "end", "end"], "a frame 'end' where nothing more was due"),
        ([None], "a frame holds nothing that is known here"),
        ([], "the stream ended where header was due"),
        (["header", "chunk"], "the stream ended where chunk or end was due"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_stream_is_said(kinds, said):
    with pytest.raises(StreamProtocol, match=f"^{said}$"):
        stream(kinds)


@given(
    st.frozensets(PARTS),
    st.lists(st.tuples(PARTS, st.integers(0, 3)), max_size=5),
)
def test_parts_come_whole_once_and_all_of_them(expected, pieces):
    order = PartOrder(expected)
    names = [part for part, _ in pieces]
    try:
        for part, more in pieces:
            begins = [order.take(part, 1), *(order.take("", 1) for _ in range(more))]
            assert begins == [True] + [False] * more
        order.close()
    except StreamProtocol:
        assert sorted(names) != sorted(expected)
    else:
        assert sorted(names) == sorted(expected)


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([("", 1)], "names no part"),
        ([("parts/x", 1)], "nothing refers to a part"),
        ([("parts/a", 1), ("parts/a", 1)], "came twice"),
        ([("parts/a", 1), ("parts/b", 1), ("parts/a", 1)], "came twice"),
        ([("parts/a", 1), ("", 0)], "holds nothing"),
        ([("parts/a", 1)], "did not come"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_parts_is_said(chunks, said):
    order = PartOrder(frozenset({"parts/a", "parts/b"}))
    with pytest.raises(StreamProtocol, match=said):
        take_parts(chunks, order)


def test_a_part_may_be_empty():
    order = PartOrder(frozenset({"parts/a"}))
    order.take("parts/a", 0)
    order.close()


@given(st.lists(st.binary(max_size=40)))
def test_size_and_checksum_are_those_of_all_chunks_together(chunks):
    tally = ContentTally()
    for chunk in chunks:
        tally.add(chunk)
    whole = b"".join(chunks)

    assert (tally.size, tally.sha256) == (len(whole), hashlib.sha256(whole).digest())


@pytest.mark.parametrize("size", [-1, 0, 3, 5, 1 << 40])
def test_another_size_than_announced_is_refused(size):
    with pytest.raises(ChecksumMismatch, match=r"end\.size_bytes"):
        check_content((size, b""), FOUR)


def test_another_checksum_than_announced_is_refused():
    with pytest.raises(ChecksumMismatch, match=r"end\.sha256"):
        check_content((4, bytes(32)), FOUR)


def test_a_checksum_that_was_not_announced_is_not_compared():
    check_content((4, b""), FOUR)
    check_content(FOUR, FOUR)


@pytest.mark.parametrize("size", [1, 20, 31, 33, 64])
def test_what_can_be_no_checksum_is_refused_as_such(size):
    with pytest.raises(InvalidArgument, match=r"end\.sha256: must have 32 bytes"):
        check_content((4, bytes(size)), FOUR)
