from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from postroom_server.rpc.contents import even_chunks


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_the_same_octets_come_in_chunks_of_one_size(chunks, size):
    even = list(even_chunks(chunks, size))

    assert b"".join(even) == b"".join(chunks)
    assert {len(chunk) for chunk in even[:-1]} <= {size}
    assert all(0 < len(chunk) <= size for chunk in even)
