"""Large octets that a tenant brings again are known again, and no others are."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.familiar import FEWEST, Familiar, Recent

BIG = os.urandom(FEWEST)
OTHER = os.urandom(FEWEST)


def again(data: bytes) -> bytes:
    """Equal octets, as another call brings them."""
    return bytes(bytearray(data))


def test_what_comes_again_is_one_object_from_then_on():
    recent = Recent()
    first = recent.known("a", again(BIG))

    second, third = (recent.known("a", again(BIG)) for _ in range(2))

    assert type(first) is bytes
    assert isinstance(second, Familiar)
    assert third is second
    assert second == first == BIG


@pytest.mark.parametrize(
    ("tenant", "then"),
    [
        ("b", BIG),
        ("a", BIG + b"x"),
        ("a", BIG[:-1]),
        ("a", BIG[:1000] + bytes([BIG[1000] ^ 1]) + BIG[1001:]),
    ],
    ids=["another tenant's", "one more", "one less", "one octet differs"],
)
def test_others_are_what_they_are(tenant, then):
    recent = Recent()
    for _ in range(2):
        recent.known("a", again(BIG))

    known = recent.known(tenant, again(then))

    assert type(known) is bytes
    assert known == then


def test_several_that_go_round_are_all_known():
    recent = Recent()
    for data in (BIG, OTHER, BIG, OTHER):
        recent.known("a", again(data))

    assert recent.known("a", again(BIG)) is recent.known("a", again(BIG))
    assert recent.known("a", again(OTHER)) is recent.known("a", again(OTHER))


def test_who_came_last_is_held_and_who_came_long_ago_is_not():
    recent = Recent(held=2 * FEWEST)
    for data in (BIG, OTHER, BIG, again(BIG)[::-1]):
        recent.known("a", again(data))

    assert isinstance(recent.known("a", again(BIG)), Familiar)
    assert type(recent.known("a", again(OTHER))) is bytes


@pytest.mark.parametrize("size", [FEWEST - 1, 2 * FEWEST + 1], ids=["small", "huge"])
def test_small_and_huge_octets_are_not_held(size):
    recent = Recent(held=2 * FEWEST)

    known = [recent.known("a", b"x" * size) for _ in range(3)]

    assert [type(data) for data in known] == [bytes] * 3


@given(st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=40))
def test_never_more_than_that_is_held(order):
    data = [bytes([n]) * (FEWEST + n * 70_000) for n in range(5)]
    recent = Recent(held=3 * FEWEST)

    for n in order:
        assert recent.known("a", again(data[n])) == data[n]

    held = sum(map(len, recent._held.values()))
    assert held == recent._size <= 3 * FEWEST
