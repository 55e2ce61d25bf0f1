from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from postroom_server.smtp.flight import BLOCK, blocks

sizes = st.lists(
    st.sampled_from([0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK]), max_size=5
)


@given(sizes)
def test_blocks_hold_every_octet_in_order_and_mark_the_last(given_sizes):
    pieces = [bytes([n]) * size for n, size in enumerate(given_sizes)]
    written = list(blocks(pieces))

    assert b"".join(bytes(part) for block, _ in written for part in block) == b"".join(
        pieces
    )
    assert [last for _, last in written] == [False] * (len(written) - 1) + [True]


@given(sizes)
def test_no_block_is_larger_than_its_time_out_allows(given_sizes):
    written = [
        sum(map(len, block)) for block, _ in blocks(b"x" * s for s in given_sizes)
    ]

    assert all(size == BLOCK for size in written[:-1])
    assert written[-1] <= BLOCK


def test_large_content_is_not_copied():
    piece = b"x" * (3 * BLOCK)

    assert all(part.obj is piece for block, _ in blocks([piece]) for part in block)
