from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.familiar import Familiar
from postroom_server.smtp import guard
from postroom_server.smtp.guard import UnsafeContent, check_content

LINES = b"".join(b"%076d\r\n" % n for n in range(300))

SMUGGLING = {
    "LF . LF": b"\n.\n",
    "LF . CRLF": b"\n.\r\n",
    "CRLF . LF": b"\r\n.\n",
    "CRLF . CR": b"\r\n.\r",
    "CR . CR": b"\r.\r",
    "CR . CRLF": b"\r.\r\n",
    "CR . LF": b"\r.\n",
    "LF . CR": b"\n.\r",
    "CRLF NUL . CRLF": b"\r\n\0.\r\n",
}


def accepted(*chunks: bytes) -> bool:
    try:
        check_content(chunks, sum(map(len, chunks)))
    except UnsafeContent:
        return False
    return True


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(p % (len(octets) + 1) for p in places), len(octets)]
    return [octets[a:b] for a, b in itertools.pairwise(edges)]


def by_the_book(octets: bytes) -> bool:
    bare = octets.replace(b"\r\n", b"")
    clean = not {*b"\r\n\0"} & {*bare}
    return clean and (octets.endswith(b"\r\n") or octets == b"")


@pytest.mark.parametrize("sequence", SMUGGLING.values(), ids=SMUGGLING.keys())
@pytest.mark.parametrize("around", [b"text", LINES], ids=["short", "long regular"])
def test_a_smuggling_sequence_never_leaves(sequence, around):
    evil = around + sequence + b"MAIL FROM:<evil@example.com>\r\n" + LINES

    assert not accepted(evil)


@pytest.mark.parametrize("sequence", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_a_smuggling_sequence_at_a_border_never_leaves(sequence):
    evil = LINES + sequence + LINES

    assert not any(
        accepted(evil[:place], evil[place:])
        for place in range(len(LINES), len(LINES) + len(sequence) + 1)
    )


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b".", b"text"])).map(
        b"".join
    ),
    st.lists(st.integers(0, 1000)),
)
def test_content_is_judged_alike_however_it_is_cut(octets, places):
    assert accepted(*cut(octets, places)) == by_the_book(octets)


@given(
    st.integers(1, 90),
    st.integers(100, 500),
    st.binary(max_size=3),
    st.integers(0, 40_000),
)
def test_a_fault_is_found_anywhere_in_long_regular_content(width, lines, fault, place):
    octets = (b"x" * width + b"\r\n") * lines
    place %= len(octets)
    octets = octets[:place] + fault + octets[place + len(fault) :]

    assert accepted(octets) == by_the_book(octets)


def test_content_longer_than_one_piece_of_the_look_is_seen_whole():
    long = LINES * 80
    assert len(long) > 1024 * 1024

    assert accepted(long)
    assert not accepted(long[:-1000] + b"\n" + long[-999:])


@pytest.mark.parametrize("size", [0, 11, 13])
def test_content_of_another_size_than_announced_never_leaves(size):
    with pytest.raises(UnsafeContent):
        check_content([b"twelve oct\r\n"], size)


def test_familiar_octets_are_looked_at_once(monkeypatch):
    looks = []
    look = guard._looks_regular
    monkeypatch.setattr(
        guard,
        "_looks_regular",
        lambda c, *, split: looks.append(c) or look(c, split=split),
    )
    leaflet = Familiar(LINES)

    assert accepted(b"head\r\n", leaflet, b"tail\r\n")
    assert accepted(b"other\r\n", leaflet, b"tail\r\n")

    assert looks.count(leaflet) == 1


def test_familiar_octets_that_are_unsafe_are_never_sent():
    evil = Familiar(LINES + b"\n.\n" + LINES)

    assert [accepted(evil) for _ in range(3)] == [False] * 3


def test_familiar_octets_are_judged_with_what_stands_around_them():
    leaflet = Familiar(LINES)

    assert accepted(leaflet)
    assert not accepted(b"head\r", leaflet)
    assert not accepted(leaflet, b"\n")

    behind = Familiar(b"\n" + LINES)
    assert accepted(b"head\r", behind)
    assert not accepted(behind)
