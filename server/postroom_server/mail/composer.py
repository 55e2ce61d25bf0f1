"""A message becomes the bytes that are sent, 7-bit and in lines that end in CRLF.

Structure, from the outside in, each level only where it is needed: mixed (files),
alternative (text, HTML), related (HTML, inline parts).  Bcc appears nowhere.  Headers
stand in the order of RFC 5322 §3.6's list, the caller's own after them.

A text that is the whole mail and lacks a final line end gains one, as any line does
on its way through SMTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from postroom_server.domain.draft import Disposition
from postroom_server.domain.message import (
    AnyMessage,
    Attachment,
    Identity,
    Message,
    RawMessage,
)
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.values import value
from postroom_server.mail.bodies import Body, file_body, text_body
from postroom_server.mail.fields import block
from postroom_server.mail.headers import header_fields
from postroom_server.mail.multipart import Entity, Multiparts, free_root
from postroom_server.mail.parameters import file_fields
from postroom_server.mail.pieces import Blocks, Piece, chunks_of

MAX_HEADER_BLOCK = 64 * 1024
"""Octets of the mail's header, the empty line that ends it not counted."""
_LARGE = 16 * 1024
"""Octets from which on a piece is a chunk by itself, and is not copied again."""


class Form(Enum):
    """How addresses with a non-ASCII local part are shown."""

    ASCII = "ascii"
    UTF8 = "utf8"

    # By identity; an Enum hashes its name, and calls Python for it.
    __hash__ = object.__hash__


class HeaderBlockTooLarge(ValueError):
    """The header is over 64 KiB when encoded; *size* says how large it is."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The encoded header has {size:,} octets; at most {MAX_HEADER_BLOCK:,} "
            "are allowed."
        )
        self.size = size


@value(frozen=True, slots=True)
class Composed:
    """A composed mail: its bytes in order, and how many they are.

    *chunks* may be gone through more than once; those of a stored part raise
    `DamagedOctets` where it can't be read.  *header_size* counts the octets before the
    empty line.  *needs_smtputf8*: its header is not ASCII; *is_8bit*: its body is not.
    """

    chunks: Iterable[bytes]
    size: int
    header_size: int
    needs_smtputf8: bool
    is_8bit: bool = False

    def __bytes__(self) -> bytes:
        return b"".join(self.chunks)


def compose(
    message: AnyMessage, identity: Identity, form: Form = Form.ASCII
) -> Composed:
    """The bytes of *message*; raises `HeaderBlockTooLarge`.

    What the caller composed is passed on as it is, and has one form.
    """
    if isinstance(message, RawMessage):
        return _as_it_is(message)
    head = block(header_fields(message, identity, utf8=form is Form.UTF8))
    entity = _entity(message, identity)
    header_size = len(head) + len(entity[0])
    if header_size > MAX_HEADER_BLOCK:
        raise HeaderBlockTooLarge(header_size)
    pieces = tuple(_joined([head, *entity]))
    return Composed(
        chunks=chunks_of(pieces),
        size=sum(map(len, pieces)),
        header_size=header_size,
        needs_smtputf8=not head.isascii(),
    )


def _as_it_is(raw: RawMessage) -> Composed:
    mime = raw.mime
    piece = Blocks(mime.size, mime.blocks) if isinstance(mime, StoredOctets) else mime
    return Composed(
        chunks=chunks_of([piece]),
        size=raw.size,
        header_size=raw.header_size,
        needs_smtputf8=raw.needs_smtputf8,
        is_8bit=raw.is_8bit,
    )


def _entity(message: Message, identity: Identity) -> Entity:
    files = [(_file_body(a), a) for a in message.attachments]
    texts = {
        kind: text_body(text)
        for kind, text in (("plain", message.text), ("html", message.html))
        if text is not None
    }
    verbatim = _verbatim((*texts.values(), *(body for body, _ in files)))
    multiparts = Multiparts(free_root(identity.boundary, verbatim))
    readable = [_text_entity(kind, body) for kind, body in texts.items()]
    inline = [_file_entity(b, a) for b, a in files if _is_inline(a)]
    if inline:
        html = readable.pop()
        readable.append(multiparts.join('related; type="text/html"', [html, *inline]))
    entity = readable[0]
    if len(readable) > 1:
        entity = multiparts.join("alternative", readable)
    attached = [_file_entity(b, a) for b, a in files if not _is_inline(a)]
    return multiparts.join("mixed", [entity, *attached]) if attached else entity


def _file_body(attachment: Attachment) -> Body:
    kind = attachment.content_type
    # RFC 2046 §5.2: mail within mail is not encoded; validation saw that it needn't be.
    mail = kind.startswith("message/") and not kind.startswith("message/global")
    return file_body(attachment.data, verbatim=mail)


def _is_inline(attachment: Attachment) -> bool:
    return attachment.disposition is Disposition.INLINE


def _verbatim(bodies: Iterable[Body]) -> list[Piece]:
    return [piece for body in bodies if body.is_verbatim for piece in body.pieces]


def _text_entity(kind: str, body: Body) -> Entity:
    head = (
        f'Content-Type: text/{kind}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: {body.encoding}\r\n"
    )
    return [head.encode(), b"\r\n", *body.pieces]


def _file_entity(body: Body, attachment: Attachment) -> Entity:
    return [block(file_fields(attachment, body.encoding)), b"\r\n", *body.pieces]


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """*pieces* with the small ones joined; the last ends in CRLF."""
    small: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes) and len(piece) < _LARGE:
            small.append(piece)
        else:
            if small:
                yield b"".join(small)
                small = []
            yield piece
    # What is read in blocks is base64 where it is last, and ends so.
    last = next(filter(None, reversed(pieces)), b"")
    if isinstance(last, bytes) and not last.endswith(b"\r\n"):
        small.append(b"\r\n")
    if small:
        yield b"".join(small)
