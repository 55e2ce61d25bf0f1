"""Octets in files: read block by block, and never taken for whole when they are not."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.octets import (
    DamagedOctets,
    StoredOctets,
    StoredText,
    crlf,
    with_crlf,
)

TEXT = b"Dear Bob,\n\nhow are you?\n"


def stored(promised: bytes, there: bytes) -> StoredOctets:
    """*promised* octets, where *there* are others."""
    sha256 = hashlib.sha256(promised).hexdigest()
    return StoredOctets(sha256, len(promised), lambda: BytesIO(there))


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """*data* in blocks of these *sizes*, and the rest."""
    blocks = []
    for size in sizes:
        blocks.append(data[:size])
        data = data[size:]
    return [*blocks, data]


@given(st.binary(max_size=300), st.integers(1, 320))
def test_blocks_of_any_size_are_the_octets(data, size):
    blocks = list(StoredOctets.of(data).blocks(size))

    assert b"".join(blocks) == data
    assert all(len(block) == size for block in blocks[:-1])


def test_octets_may_be_read_any_number_of_times():
    octets = StoredOctets.of(TEXT)

    assert list(octets.blocks(7)) == list(octets.blocks(7))


DAMAGES = {
    "changed": TEXT.replace(b"Bob", b"Eve"),
    "changed at the end": TEXT[:-1] + b"!",
    "cut short": TEXT[:-1],
    "empty": b"",
}


@pytest.mark.parametrize("there", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("size", [1, 5, len(TEXT), 1000])
def test_what_is_damaged_is_told_before_the_last_block(there, size):
    octets = stored(TEXT, there)
    given_ = []

    with pytest.raises(DamagedOctets) as caught:
        given_ += octets.blocks(size)

    assert len(b"".join(given_)) < len(TEXT)
    assert caught.value.sha256 == octets.sha256


def test_of_a_file_that_grew_the_promised_octets_are_given():
    assert b"".join(stored(TEXT, TEXT + b"more").blocks(5)) == TEXT


def test_a_missing_file_is_damage(tmp_path):
    missing = tmp_path / "none"
    octets = StoredOctets("00", 1, lambda: missing.open("rb"))

    with pytest.raises(DamagedOctets):
        list(octets.blocks())


def test_a_folder_in_its_place_is_damage(tmp_path):
    octets = StoredOctets("00", 1, lambda: tmp_path.open("rb"))

    with pytest.raises(DamagedOctets):
        list(octets.blocks())


def test_a_file_is_closed_by_a_reader_that_stops(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    opened = []

    def open_() -> object:
        opened.append(path.open("rb"))
        return opened[-1]

    blocks = StoredOctets("00", len(TEXT), open_).blocks(3)
    next(blocks)
    blocks.close()

    assert opened[0].closed


def test_octets_are_equal_where_their_digests_are():
    assert StoredOctets.of(TEXT) == stored(TEXT, b"whatever")
    assert StoredOctets.of(TEXT) != StoredOctets.of(TEXT + b"\n")


def test_a_repr_shows_no_octets():
    assert "Bob" not in repr(StoredOctets.of(TEXT))


line_ends = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc", b""]), max_size=20
).map(b"".join)
splits = st.lists(st.integers(0, 4), max_size=12)


@given(line_ends, splits)
def test_line_ends_become_crlf_wherever_a_block_ends(data, sizes):
    assert b"".join(with_crlf(iter(cut(data, sizes)))) == crlf(data)


@given(line_ends)
def test_crlf_is_what_the_standard_library_makes_of_lines(data):
    lines = data.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")

    assert crlf(data).decode() == "\r\n".join(lines)


@given(line_ends)
def test_crlf_changes_nothing_twice(data):
    assert crlf(crlf(data)) == crlf(data)


def test_the_beginning_of_a_text_leaves_a_cut_character_out():
    text = StoredText(StoredOctets.of("aé".encode()), 3)

    assert [text.beginning(n) for n in (1, 2, 3, 9)] == ["a", "a", "aé", "aé"]


def test_the_beginning_of_a_text_that_is_gone_is_damage(tmp_path):
    missing = tmp_path / "none"
    text = StoredText(StoredOctets("00", 1, lambda: missing.open("rb")), 1)

    with pytest.raises(DamagedOctets):
        text.beginning(10)
