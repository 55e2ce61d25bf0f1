from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.smtp.protocol import (
    MAX_LINE,
    MAX_LINES,
    MAX_REPLY,
    ProtocolError,
    RawReply,
    ReplyReader,
)

codes = st.integers(200, 599)
texts = st.binary(max_size=60).filter(lambda t: b"\r" not in t and b"\n" not in t)
replies = st.builds(RawReply, codes, st.lists(texts, min_size=1, max_size=5).map(tuple))


def on_the_wire(reply: RawReply) -> bytes:
    *first, last = reply.lines
    lines = [b"%d-%b\r\n" % (reply.code, line) for line in first]
    return b"".join(lines) + b"%d %b\r\n" % (reply.code, last)


def read_all(pieces: list[bytes]) -> list[RawReply | str]:
    reader, found = ReplyReader(), []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (reply := reader.next_reply()) is not None:
                found.append(reply)
        except ProtocolError:
            return [*found, "breach"]
    return found


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(p % (len(octets) + 1) for p in places), len(octets)]
    return [octets[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(replies, max_size=4), st.lists(st.integers(0, 10_000)))
def test_replies_are_the_same_however_their_octets_are_split(said, places):
    octets = b"".join(map(on_the_wire, said))

    assert read_all(cut(octets, places)) == said


@given(st.binary(max_size=300), st.lists(st.integers(0, 10_000)))
def test_any_octets_are_replies_or_a_breach_whatever_the_split(octets, places):
    assert read_all(cut(octets, places)) == read_all([octets])


@given(
    st.lists(st.sampled_from([b"250-", b"250 ", b"550 ", b"ok", b"\r", b"\n", b"\r\n"]))
)
def test_near_replies_are_judged_alike_whatever_the_split(parts):
    assert read_all(parts) == read_all([b"".join(parts)])


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250 ok\r\n", (250, (b"ok",))),
        (b"250\r\n", (250, (b"",))),
        (b"250 \r\n", (250, (b"",))),
        (b"250-a\r\n250 b\r\n", (250, (b"a", b"b"))),
        (b"250-a\r\n250\r\n", (250, (b"a", b""))),
        (b"599 \xff\x00\x1b[31m\r\n", (599, (b"\xff\x00\x1b[31m",))),
    ],
)
def test_a_whole_reply_is_read(octets, reply):
    assert read_all([octets]) == [reply]


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"250_ok\r\n",
        b"250\tok\r\n",
        b"150 wait\r\n",
        b"600 no\r\n",
        b"000 no\r\n",
        b" 250 ok\r\n",
        b"\xb2\xb5\xb0 ok\r\n",
        b"250 ok\n",
        b"250 a\rb\r\n",
        b"250 ok\r\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\n550 b\r\n",
        b"250-a\r\nb\r\n",
        b"x" * MAX_LINE,
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"250-x\r\n" * (MAX_LINES + 1),
        (b"250-" + b"x" * 1000 + b"\r\n") * (MAX_REPLY // 1000 + 1),
    ],
)
def test_whatever_is_no_reply_is_a_breach(octets):
    assert read_all([octets]) == ["breach"]


def test_the_longest_line_and_the_longest_reply_are_still_read():
    line = b"250 " + b"x" * (MAX_LINE - 6) + b"\r\n"
    many = b"250-x\r\n" * (MAX_LINES - 1) + b"250 x\r\n"

    assert [r.code for r in read_all([line + many])] == [250, 250]


def test_a_reply_before_the_breach_is_still_given():
    assert read_all([b"250 ok\r\nnonsense\r\n"]) == [(250, (b"ok",)), "breach"]


def test_after_a_breach_nothing_is_ever_read_again():
    reader = ReplyReader()
    reader.feed(b"nonsense\r\n")
    for _ in range(2):
        with pytest.raises(ProtocolError):
            reader.next_reply()
        reader.feed(b"250 ok\r\n")

    assert not reader.empty


@pytest.mark.parametrize(
    ("octets", "empty"),
    [
        (b"", True),
        (b"250 ok\r\n", True),
        (b"2", False),
        (b"250-a\r\n", False),
        (b"250 a\r\n250 b\r\n", False),
    ],
)
def test_a_reader_is_empty_only_when_nothing_is_left_over(octets, empty):
    reader = ReplyReader()
    reader.feed(octets)
    reader.next_reply()

    assert reader.empty is empty
