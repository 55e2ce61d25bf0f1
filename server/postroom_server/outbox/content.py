"""What a mail is composed from, as bytes, in our own versioned form.

A checksum, a head of JSON, then the parts one after the other: text, HTML, each
attachment; or the one part of a raw mail.  A part in a file is named in the head, by
its digest and sizes, and has no octets here.  Any other is compressed where that saves
work in the end: below some size, writing it takes less time than squeezing it, and
what is compressed already does not get smaller.
Never serialised protobuf: the contract may change, stored mail may not.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from postroom_server.domain.address import Address
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import Disposition, Header
from postroom_server.domain.message import (
    AnyMessage,
    Attachment,
    Identity,
    Mailbox,
    Message,
    RawMessage,
    Unsubscribe,
)
from postroom_server.domain.octets import StoredOctets, StoredText
from postroom_server.outbox.documents import Document, Read, compact
from postroom_server.outbox.store import Content

FORMAT = 1
WITH_FILES = 2
"""The format of contents that version 1 could not hold: files, and raw mail."""
# At 10 KB, level 1 takes 150 us; writing the 7 KB saved takes 10.
WORTH_COMPRESSING = 32 * 1024
_SAMPLE = 16 * 1024
_CHECKSUM = struct.Struct(">I")
_HEAD_LENGTH = struct.Struct(">I")

Part = bytes | StoredOctets | StoredText
Entry = list[str | int]
Find = Callable[[str, int], StoredOctets]
"""The file with that SHA-256 (hexadecimal) and size."""


def encode_content(content: Content) -> tuple[int, bytes]:
    """*content* as the number of its format, and octets."""
    message, identity = content.message, content.identity
    packed = [_packed(part) for part in _parts(message)]
    head = _raw_head(message) if isinstance(message, RawMessage) else _head(message)
    head["id"] = [identity.message_id, identity.date_at, identity.boundary]
    head["parts"] = entries = [entry for entry, _ in packed]
    encoded = compact(head).encode("ascii")
    pieces = (_HEAD_LENGTH.pack(len(encoded)), encoded, *[data for _, data in packed])
    checksum = 0
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
    whole = b"".join((_CHECKSUM.pack(checksum), *pieces))
    return WITH_FILES if "raw" in head or _in_files(entries) else FORMAT, whole


def decode_content(form: int, data: bytes, find: Find) -> Content | None:
    """The content in *data*; None if it is damaged or *form* is not known.

    *find* gives the octets in files by their digest and size; they are not read here.
    """
    if form not in {FORMAT, WITH_FILES}:
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
        parts = _unpacked(head["parts"], whole[start + length :], find)
        message = _raw(head, parts) if "raw" in head else _message(head, parts)
        return Content(message, _identity(head["id"]))
    except (ValueError, KeyError, TypeError, struct.error, zlib.error, StopIteration):
        return None


def _parts(message: AnyMessage) -> Iterator[Part]:
    if isinstance(message, RawMessage):
        yield message.mime
        return
    for body in (message.text, message.html):
        if isinstance(body, str):
            # A caller's lone surrogate is kept as it is: it is not ours to judge.
            yield body.encode("utf-8", "surrogatepass")
        elif body is not None:
            yield body
    for attachment in message.attachments:
        yield attachment.data


def _packed(part: Part) -> tuple[Entry, bytes]:
    """A part as it is stored: its entry in the head, and the octets behind it."""
    if isinstance(part, StoredText):
        octets = part.octets
        return [octets.sha256, octets.size, part.wire_size], b""
    if isinstance(part, StoredOctets):
        return [part.sha256, part.size], b""
    if len(part) < WORTH_COMPRESSING or not _shrinks(part[:_SAMPLE]):
        return [len(part), 0], part
    squeezed = zlib.compress(part, 1)
    return [len(squeezed), 1], squeezed


def _in_files(entries: list[Entry]) -> bool:
    """Whether one of *entries* names a file."""
    return any(isinstance(entry[0], str) for entry in entries)


def _shrinks(sample: bytes) -> bool:
    return len(zlib.compress(sample, 1)) < len(sample) * 3 // 4


def _unpacked(entries: list[list[Any]], data: memoryview, find: Find) -> Iterator[Part]:
    start = 0
    for first, second, *rest in entries:
        if isinstance(first, str):
            octets = find(first, int(second))
            yield StoredText(octets, int(rest[0])) if rest else octets
            continue
        part = data[start : start + first]
        if len(part) != first:
            raise ValueError("cut short")
        yield zlib.decompress(part) if second else bytes(part)
        start += first


def _raw_head(raw: RawMessage) -> Document:
    return {
        "raw": [raw.subject, raw.message_id, raw.header_size],
        "8bit": [raw.is_8bit, raw.needs_smtputf8],
        "rcpt": [_address_document(a) for a in raw.envelope],
        "from": [_address_document(a) for a in raw.authors],
    }


def _raw(head: Read, parts: Iterator[Part]) -> RawMessage:
    subject, message_id, header_size = head["raw"]
    is_8bit, needs_smtputf8 = head["8bit"]
    mime = next(parts)
    if isinstance(mime, StoredText):
        raise TypeError("a raw mail is no text")
    return RawMessage(
        mime=mime,
        envelope=tuple(Address(*a) for a in head["rcpt"]),
        authors=tuple(Address(*a) for a in head["from"]),
        subject=subject,
        message_id=message_id,
        header_size=header_size,
        is_8bit=is_8bit,
        needs_smtputf8=needs_smtputf8,
    )


def _head(message: Message) -> Document:
    head: Document = {
        "from": _mailbox_document(message.from_mailbox),
        "subj": message.subject,
        "text": message.text is not None,
        "html": message.html is not None,
        "files": [*map(_attachment_document, message.attachments)],
        "hdrs": [*map(_header_document, message.headers)],
        "reply_to": [*map(_mailbox_document, message.reply_to)],
        "to": [*map(_mailbox_document, message.to)],
        "cc": [*map(_mailbox_document, message.cc)],
        "bcc": [*map(_mailbox_document, message.bcc)],
    }
    if message.sender is not None:
        head["sender"] = _mailbox_document(message.sender)
    if message.unsubscribe is not None:
        head["unsub"] = _unsubscribe_document(message.unsubscribe)
    return head


def _unsubscribe_document(asked: Unsubscribe) -> list[Any]:
    address = asked.mailto and _mailbox_document(Mailbox(asked.mailto))
    return [asked.url, address, asked.one_click]


def _unsubscribe(document: list[Any] | None) -> Unsubscribe | None:
    if document is None:
        return None
    url, address, one_click = document
    return Unsubscribe(url, address and _mailbox(address).address, one_click=one_click)


def _message(head: Read, parts: Iterator[Part]) -> Message:
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
        unsubscribe=_unsubscribe(head.get("unsub")),
    )


def _text(part: Part) -> str | StoredText:
    if isinstance(part, bytes):
        return part.decode("utf-8", "surrogatepass")
    if isinstance(part, StoredText):
        return part
    raise TypeError("a file is no text")


def _header_document(header: Header) -> list[str]:
    return [header.name, header.value]


def _mailbox_document(mailbox: Mailbox) -> list[str]:
    address = mailbox.address
    return [address.given, address.local, address.domain, mailbox.name]


def _address_document(address: Address) -> list[str]:
    return [address.given, address.local, address.domain]


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


def _attachment(document: list[Any], data: Part) -> Attachment:
    if isinstance(data, StoredText):
        raise TypeError("a text is no file")
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
