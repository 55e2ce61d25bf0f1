"""Sources of content, and which of them follow their request."""

from __future__ import annotations

import io
import os
import threading
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom import Attachment, InvalidRequest, RawMessage
from postroom._contents import MAX_SMALL, MAX_WITHIN
from postroom._outgoing import to_send
from postroom._sources import PIECE, ContentChanged, source_of, text_source
from postroom._transfers import blob_transfer

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
MAIL = {"to": "ada@example.com", "subject": "Hello"}


@given(st.text(max_size=200), st.sampled_from([1, 700]))
def test_text_is_as_large_as_it_says_and_its_pieces_are_small(text, times):
    text *= times
    source = text_source(text)
    pieces = list(source.pieces())

    assert b"".join(pieces) == text.encode()
    assert source.size == len(text.encode())
    assert all(len(piece) <= PIECE for piece in pieces)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_content_comes_whole_each_time(size, kind):
    content = os.urandom(size)
    source = source_of(kind(content))

    assert source.size == size
    assert [source.whole(), source.whole()] == [content, content]
    assert source.digest() == sha256(content).digest()


def test_a_view_counts_bytes():
    source = source_of(memoryview(b"abcdefgh").cast("I"))

    assert (source.size, source.whole()) == (8, b"abcdefgh")


def test_a_file_that_gives_little_at_a_time_is_read_whole():
    class Slow(io.BytesIO):
        def read(self, size=-1, /):
            return super().read(min(size, 1000))

    content = os.urandom(PIECE + 5)

    assert [len(piece) for piece in source_of(Slow(content)).pieces()] == [PIECE, 5]


def test_a_pipe_is_kept_and_its_copy_closed(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = os.urandom(PIECE * 2)
    writing = threading.Thread(target=path.write_bytes, args=(content,))
    writing.start()
    source = source_of(path)
    writing.join(10)

    assert [source.whole(), source.whole()] == [content, content]
    source.close()
    with pytest.raises(ValueError, match="closed"):
        source.whole()


def test_a_file_is_left_where_it_stood():
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    source = source_of(file)
    found = source.whole()
    source.close()

    assert found == b"456789"
    assert file.tell() == 4


def test_a_file_closed_by_its_owner_is_no_trouble_later():
    file = io.BytesIO(b"0123")
    source = source_of(file)
    file.close()
    source.close()


@pytest.mark.parametrize("cut", [0, 10, PIECE])
def test_a_file_that_got_shorter_has_changed(tmp_path, cut):
    path = tmp_path / "a"
    path.write_bytes(bytes(PIECE * 2))
    source = source_of(path)
    os.truncate(path, cut)

    with pytest.raises(ContentChanged):
        source.whole()


@pytest.mark.parametrize("content", ["text", 3, None, object()])
def test_what_may_be_text_or_a_name_is_no_content(content):
    with pytest.raises(TypeError, match="give bytes, a Path or a binary file"):
        source_of(content)


def test_a_file_of_text_is_no_content():
    with pytest.raises(TypeError, match="binary mode"):
        source_of(io.StringIO("text")).whole()


def _parts(**contents):
    with to_send(None, MAIL | contents, NOW) as found:
        return [part.place.field for part in found.parts], found.request


@pytest.mark.parametrize(("size", "fields"), [(0, []), (1, ["message.text_body"])])
def test_contents_beyond_one_request_follow(size, fields):
    found, _ = _parts(text="x" * (MAX_WITHIN + size))

    assert found == fields


def test_all_contents_count_together():
    found, request = _parts(
        text="x" * (MAX_WITHIN - 1),
        html="<p>",
        attachments=[
            Attachment("a", "a/b", bytes(MAX_SMALL)),
            Attachment("b", "a/b", bytes(MAX_SMALL + 1)),
        ],
    )

    assert found == ["message.text_body", "message.attachments[1].data"]
    assert request.message.html_body == "<p>"
    assert len(request.message.attachments[0].data) == MAX_SMALL
    assert request.ByteSize() < 2 * MAX_SMALL


def test_a_hundred_attachments_leave_the_request_small():
    small = Attachment("a.bin", "a/b", bytes(MAX_SMALL))
    _, request = _parts(text="x", attachments=[small] * 100)

    assert request.ByteSize() < 2 * 1_048_576


def test_a_body_that_is_no_utf8_names_its_field():
    with pytest.raises(InvalidRequest, match=r"message\.html_body: is no UTF-8"):
        _parts(html=b"\xff")


def test_one_recipient_is_a_list_too():
    raw = RawMessage(b"", "me@example.com", "ada@example.com")

    with pytest.raises(TypeError, match="list"):
        to_send(raw, {}, NOW)


def test_a_composed_mail_has_options_alone():
    raw = RawMessage(b"x", "me@example.com", ["ada@example.com"])
    with to_send(raw, {"relay": "main"}, NOW) as found:
        assert found.request.relay == "relays/main"
    with pytest.raises(TypeError, match="'to'"):
        to_send(raw, {"to": "ada@example.com"}, NOW)


def test_a_path_is_opened_at_once_and_read_later(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(FileNotFoundError):
        Attachment.from_path(path)
    path.write_bytes(b"first")
    attachment = Attachment.from_path(str(path), inline=True, content_id="a")
    path.write_bytes(b"then")
    _, request = _parts(text="x", attachments=[attachment])

    assert attachment.data == Path(path)
    assert request.message.attachments[0].data == b"then"
    assert request.message.attachments[0].content_id == "a"


def test_no_content_is_in_a_representation():
    assert "secret" not in repr(Attachment("a", "a/b", b"secret"))
    assert "secret" not in repr(RawMessage(b"secret", "", []))


def test_what_was_opened_for_a_mail_with_problems_is_closed():
    class Once:
        def __init__(self):
            self._file = io.BytesIO(b"x")

        def read(self, size=-1):
            return self._file.read(size)

    with pytest.raises(InvalidRequest):
        _parts(to="a, b", attachments=[Attachment("a", "a/b", Once())])


@pytest.mark.parametrize("ended", [False, True])
def test_what_changed_before_any_end_was_told_sent_nothing(ended):
    content = bytearray(3 * PIECE)
    transfer = blob_transfer(source_of(content), sha256(content).digest())
    first = transfer.frames()
    for _ in range(3 + 2 * ended):
        next(first)
    content[0] = 1

    with pytest.raises(InvalidRequest, match="changed") as refusal:
        list(transfer.frames())
    assert refusal.value.nothing_sent is not ended


def test_a_transfer_begins_again_from_its_header():
    source = source_of(b"content")
    transfer = blob_transfer(source, source.digest())

    assert list(transfer.frames()) == list(transfer.frames())
    assert [gone for _, gone in transfer.frames()] == [0, 0, 7]
