"""Ids sort by time and are UUIDs of version 7 (RFC 9562 §5.7)."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.clock import Instant
from postroom_server.outbox.ids import new_id

instants = st.integers(0, 2**48 * 1000 - 1).map(Instant)


@given(instants, st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_of_version_7(now, noise):
    made = uuid.UUID(hex=new_id(now, lambda _: noise))

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now // 1000


@given(instants, instants)
def test_what_is_made_in_a_later_millisecond_sorts_later(one, other):
    made_one, made_other = new_id(one), new_id(other)

    assert (one // 1000 < other // 1000) <= (made_one < made_other)


def test_ids_of_one_instant_differ():
    made = {new_id(Instant(1_800_000_000_000_000)) for _ in range(1000)}

    assert len(made) == 1000
    assert all(len(one) == 32 and one == one.lower() for one in made)


def test_all_random_bits_are_used():
    ones = int(new_id(Instant(0), lambda n: b"\xff" * n), 16)
    zeros = int(new_id(Instant(0), lambda n: b"\x00" * n), 16)

    assert (ones ^ zeros).bit_count() == 74
