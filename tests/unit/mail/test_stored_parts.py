"""Parts in files are composed block by block into what the same parts at hand are."""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.limits import MB
from postroom_server.domain.octets import (
    DamagedOctets,
    StoredOctets,
    StoredText,
    crlf,
)
from postroom_server.mail.bodies import file_body, text_body
from postroom_server.mail.composer import compose
from postroom_server.mail.multipart import free_root
from postroom_server.mail.pieces import Blocks

from tests.support.builders import a_message, an_attachment
from tests.support.mails import BODIES, IDENTITY, message, reading
from tests.support.raw_mails import mime, raw_message

LINES_OF = 57 * 512
EDGES = sorted(
    {
        edge + extra
        for edge in (0, 57, 114, LINES_OF, 2 * LINES_OF, MB, MB // 57 * 57, 2 * MB)
        for extra in (-2, -1, 0, 1, 2, 3)
        if edge + extra > 0
    }
)


def stored_text(text: str) -> StoredText:
    raw = text.encode()
    return StoredText(StoredOctets.of(raw), len(crlf(raw)))


def joined(pieces) -> bytes:
    return b"".join(
        piece if isinstance(piece, bytes) else b"".join(piece) for piece in pieces
    )


@pytest.mark.parametrize("size", EDGES)
def test_the_size_of_a_file_in_base64_is_known_before_it_is_read(size):
    data = bytes(range(256)) * (size // 256 + 1)
    (piece,) = file_body(StoredOctets.of(data[:size]), verbatim=False).pieces
    raw = b"".join(piece)

    assert len(piece) == len(raw)
    assert raw == joined(file_body(data[:size], verbatim=False).pieces)


@given(st.binary(min_size=1, max_size=400))
def test_a_file_in_base64_is_what_the_standard_library_makes_of_it(data):
    (piece,) = file_body(StoredOctets.of(data), verbatim=False).pieces
    raw = b"".join(piece)

    assert raw.replace(b"\r\n", b"\n") == _mime_lines(data)
    assert len(piece) == len(raw)


def _mime_lines(data: bytes) -> bytes:
    return b"".join(
        base64.b64encode(data[i : i + 57]) + b"\n" for i in range(0, len(data), 57)
    )


@given(BODIES)
def test_a_stored_text_arrives_with_crlf_and_its_size_is_right(text):
    body = text_body(stored_text(text))
    (piece,) = body.pieces
    raw = b"".join(piece)

    assert body.encoding == "base64"
    assert base64.b64decode(raw) == crlf(text.encode())
    assert len(piece) == len(raw)


def test_line_ends_at_the_borders_of_blocks_arrive_whole():
    text = ("x" * (MB - 1) + "\r\n") * 2 + "\r" + "y" * (MB - 1) + "\n"
    (piece,) = text_body(stored_text(text)).pieces
    raw = b"".join(piece)

    assert base64.b64decode(raw) == crlf(text.encode())
    assert len(piece) == len(raw)


def test_mail_within_mail_stands_as_it_is():
    body = file_body(StoredOctets.of(mime()), verbatim=True)

    assert body.encoding == "7bit"
    assert joined(body.pieces) == mime()
    assert len(body.pieces[0]) == len(mime())


FORMS = {
    "text": {"text": "Dear Böb,\nhello.\n"},
    "text and HTML": {"text": "Dear Bob\r", "html": "<p>Böb</p>\n"},
    "a file": {"text": "x", "attachments": (an_attachment(b"\0\1" * 100),)},
    "mail": {"text": "x", "attachments": (an_attachment(mime(), content_type="message/rfc822"),)},
    "everything": {
        "text": "Dear Bob",
        "html": "<p>Bob</p>",
        "attachments": (an_attachment(b"1"), an_attachment(b"2" * 50_000)),
    },
}  # fmt: skip


def in_files(plain):
    """The same message with all its parts in files."""
    return replace(
        plain,
        text=plain.text and stored_text(plain.text),
        html=plain.html and stored_text(plain.html),
        attachments=tuple(
            replace(a, data=StoredOctets.of(a.data)) for a in plain.attachments
        ),
    )


def decoded_parts(content: bytes) -> list[tuple[str, bytes]]:
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in reading(content).walk()
        if not part.is_multipart()
    ]


def settled(content: bytes) -> list[tuple[str, bytes]]:
    """Parts, but for a final line end that composing may add."""
    return [(kind, raw.rstrip(b"\r\n")) for kind, raw in decoded_parts(content)]


@pytest.mark.parametrize("parts", FORMS.values(), ids=FORMS)
def test_a_mail_with_stored_parts_reads_as_one_with_parts_at_hand(parts):
    plain = a_message(**parts)
    composed = compose(in_files(plain), IDENTITY)
    content = bytes(composed)

    assert settled(content) == settled(bytes(compose(plain, IDENTITY)))
    assert composed.size == len(content)
    assert content.endswith(b"\r\n")
    assert bytes(composed) == content


@given(st.data())
def test_any_mail_with_stored_parts_has_the_size_it_says(data):
    bodies = data.draw(st.lists(BODIES, min_size=1, max_size=2))
    files = data.draw(st.lists(st.binary(min_size=1, max_size=200), max_size=3))
    plain = a_message(
        text=bodies[0],
        html=bodies[1] if len(bodies) > 1 else None,
        attachments=tuple(map(an_attachment, files)),
    )
    composed = compose(in_files(plain), IDENTITY)
    chunks = list(composed.chunks)

    assert composed.size == sum(map(len, chunks))
    assert chunks == list(composed.chunks)


def test_a_stored_mail_goes_as_it_is():
    raw = replace(raw_message(), mime=StoredOctets.of(mime()))
    composed = compose(raw, IDENTITY)

    assert bytes(composed) == mime() == bytes(compose(raw_message(), IDENTITY))
    assert composed.size == len(mime())
    assert composed.header_size == mime().index(b"\r\n\r\n") + 2


def test_a_part_that_changed_ends_the_chunks():
    stored = StoredOctets.of(b"x" * 100_000)
    changed = StoredOctets(stored.sha256, stored.size, lambda: BytesIO(b"y" * 100_000))
    mail = a_message(attachments=(an_attachment(changed),))

    with pytest.raises(DamagedOctets):
        bytes(compose(mail, IDENTITY))


def blocks(*pieces: bytes) -> Blocks:
    return Blocks(sum(map(len, pieces)), lambda: iter(pieces))


ROOT = "0123456789abcdef"


@pytest.mark.parametrize("cut", range(len(ROOT) + 1))
def test_a_boundary_is_found_wherever_a_block_ends(cut):
    raw = f"\r\n--=_{ROOT}_1\r\n".encode()
    place = raw.index(ROOT.encode()) + cut

    assert free_root(ROOT, [blocks(raw[:place], raw[place:])]) != ROOT


@given(st.lists(st.integers(1, 5), max_size=12))
def test_a_boundary_is_found_in_blocks_of_any_size(sizes):
    raw, pieces = b"ab" + ROOT.encode() + b"c", []
    for size in sizes:
        pieces.append(raw[:size])
        raw = raw[size:]

    assert free_root(ROOT, [blocks(*pieces, raw)]) != ROOT
    assert free_root("another", [blocks(*pieces, raw)]) == "another"


def test_a_stored_mail_within_mail_never_holds_its_boundary():
    mail = mime(body=f"--=_{IDENTITY.boundary}_1\r\n".encode())
    part = an_attachment(StoredOctets.of(mail), content_type="message/rfc822")
    plain = message(text="Hello")
    parsed = reading(bytes(compose(replace(plain, attachments=(part,)), IDENTITY)))
    _, attached = parsed.iter_parts()

    assert attached.get_content().get_content().startswith("--=_")
