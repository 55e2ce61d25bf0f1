"""What a mail is composed from, as bytes, in our own versioned form.

A checksum, a head of JSON, then the parts one after the other: text, HTML, each
attachment.  A part is compressed where that saves work in the end: below some size,
writing it takes less time than squeezing it, and what is compressed already does not
get smaller.
Never serialised protobuf: the contract may change, stored mail may not.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from postroom_server.domain.address import Address
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import Disposition, Header
from postroom_server.domain.message import Attachment, Identity, Mailbox, Message
from postroom_server.outbox.documents import Document, Read, compact
from postroom_server.outbox.store import Content

FORMAT = 1
# At 10 KB, level 1 takes 150 us; writing the 7 KB saved takes 10.
WORTH_COMPRESSING = 32 * 1024
_SAMPLE = 16 * 1024
_CHECKSUM = struct.Struct(">I")
_HEAD_LENGTH = struct.Struct(">I")


def encode_content(content: Content) -> bytes:
    """*content* in the form `FORMAT`."""
    message, identity = content.message, content.identity
    packed = [_packed(part) for part in _parts(message)]
    head = _head(message)
    head["id"] = [identity.message_id, identity.date_at, identity.boundary]
    head["parts"] = [[len(data), int(squeezed)] for data, squeezed in packed]
    encoded = compact(head).encode("ascii")
    pieces = (_HEAD_LENGTH.pack(len(encoded)), encoded, *(data for data, _ in packed))
    checksum = 0
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
    return b"".join((_CHECKSUM.pack(checksum), *pieces))


def decode_content(form: int, data: bytes) -> Content | None:
    """The content in *data*; None if it is damaged or *form* is not known."""
    if form != FORMAT:
        return None
    try:
        (checksum,) = _CHECKSUM.unpack_from(data)
        whole = memoryview(data)[_CHECKSUM.size :]
        if zlib.crc32(whole) != checksum:
            # Mail that changed while it was stored must not leave.
            return None
        (length,) = _HEAD_LENGTH.unpack_from(whole)
        start = _HEAD_LENGTH.size
        head = json.loads(bytes(whole[start : start + length]))
        parts = _unpacked(head["parts"], whole[start + length :])
        return Content(_message(head, parts), _identity(head["id"]))
    except (ValueError, KeyError, TypeError, struct.error, zlib.error, StopIteration):
        return None


def _parts(message: Message) -> Iterator[bytes]:
    for body in (message.text, message.html):
        if body is not None:
            # A caller's lone surrogate is kept as it is: it is not ours to judge.
            yield body.encode("utf-8", "surrogatepass")
    for attachment in message.attachments:
        yield attachment.data


def _packed(part: bytes) -> tuple[bytes, bool]:
    if len(part) < WORTH_COMPRESSING or not _shrinks(part[:_SAMPLE]):
        return part, False
    return zlib.compress(part, 1), True


def _shrinks(sample: bytes) -> bool:
    return len(zlib.compress(sample, 1)) < len(sample) * 3 // 4


def _unpacked(sizes: list[list[int]], data: memoryview) -> Iterator[bytes]:
    start = 0
    for length, squeezed in sizes:
        part = data[start : start + length]
        if len(part) != length:
            raise ValueError("cut short")
        yield zlib.decompress(part) if squeezed else bytes(part)
        start += length


def _head(message: Message) -> Document:
    head: Document = {
        "from": _mailbox_document(message.from_mailbox),
        "subj": message.subject,
        "text": message.text is not None,
        "html": message.html is not None,
        "files": [_attachment_document(a) for a in message.attachments],
        "hdrs": [[header.name, header.value] for header in message.headers],
    }
    for name in ("reply_to", "to", "cc", "bcc"):
        head[name] = [_mailbox_document(m) for m in getattr(message, name)]
    if message.sender is not None:
        head["sender"] = _mailbox_document(message.sender)
    return head


def _message(head: Read, parts: Iterator[bytes]) -> Message:
    sender = head.get("sender")
    return Message(
        from_mailbox=_mailbox(head["from"]),
        sender=None if sender is None else _mailbox(sender),
        reply_to=tuple(_mailbox(m) for m in head["reply_to"]),
        to=tuple(_mailbox(m) for m in head["to"]),
        cc=tuple(_mailbox(m) for m in head["cc"]),
        bcc=tuple(_mailbox(m) for m in head["bcc"]),
        subject=head["subj"],
        text=_text(next(parts)) if head["text"] else None,
        html=_text(next(parts)) if head["html"] else None,
        attachments=tuple(
            _attachment(a, data) for a, data in zip(head["files"], parts, strict=True)
        ),
        headers=tuple(Header(name, value) for name, value in head["hdrs"]),
    )


def _text(part: bytes) -> str:
    return part.decode("utf-8", "surrogatepass")


def _mailbox_document(mailbox: Mailbox) -> list[str]:
    address = mailbox.address
    return [address.given, address.local, address.domain, mailbox.name]


def _mailbox(document: list[str]) -> Mailbox:
    given, local, domain, name = document
    return Mailbox(Address(given, local, domain), name)


def _attachment_document(attachment: Attachment) -> list[Any]:
    return [
        attachment.filename,
        attachment.content_type,
        attachment.disposition,
        attachment.content_id,
    ]


def _attachment(document: list[Any], data: bytes) -> Attachment:
    filename, content_type, disposition, content_id = document
    return Attachment(
        filename=filename,
        content_type=content_type,
        data=data,
        disposition=Disposition(disposition),
        content_id=content_id,
    )


def _identity(document: list[Any]) -> Identity:
    message_id, date_at, boundary = document
    return Identity(message_id, Instant(date_at), boundary)
