"""What goes to the service in pieces: a header, the contents, an end.

A transfer makes its frames anew for each attempt, each with the number of bytes that
go before it.  The end tells the SHA-256 of all that went.  A content that is not
what it was in an earlier attempt ends the transfer: up to where that attempt came, the
hash of all so far has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar

from postroom._contents import Part, Place
from postroom._sources import ContentChanged, Source
from postroom.errors import ErrorDetails, InvalidRequest, Violation
from postroom.v1 import content_pb2, send_pb2, send_stream_pb2

SendFrame = send_stream_pb2.SendMessageStreamRequest
BlobFrame = content_pb2.UploadBlobRequest
Frame = TypeVar("Frame")


@dataclass(frozen=True, slots=True)
class Framing(Generic[Frame]):
    """How frames are made: of the *header*, of a piece, of the end.

    The name of a part is with its first piece.
    """

    header: Frame
    chunk: Callable[[str, bytes], Frame]
    end: Callable[[send_stream_pb2.ContentEnd], Frame]


class Transfer(Generic[Frame]):
    """The frames of one call; one attempt after the other reads them."""

    def __init__(
        self,
        framing: Framing[Frame],
        parts: tuple[Part, ...],
        reached: tuple[int, bytes] = (0, b""),
    ) -> None:
        """Of the contents so much is known: the SHA-256 of the first bytes."""
        self.total = sum(part.source.size for part in parts)
        self._framing = framing
        self._parts = parts
        self._reached = reached
        self._ended = False

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """The frames, and how many bytes of content go before each.

        Raises `InvalidRequest` for a content that has changed, and `OSError` for a
        file that can't be read.
        """
        sent, hashed = 0, sha256()
        known, digest = self._reached
        yield self._framing.header, sent
        for part in self._parts:
            name = part.name
            for piece in self._pieces(part):
                yield self._framing.chunk(name, piece), sent
                name = ""
                hashed.update(piece)
                sent += len(piece)
                if sent == known and hashed.digest() != digest:
                    raise self._changed(part)
                if sent > self._reached[0]:
                    self._reached = sent, hashed.digest()
        self._ended = True
        end = send_stream_pb2.ContentEnd(size_bytes=sent, sha256=hashed.digest())
        yield self._framing.end(end), sent

    def _pieces(self, part: Part) -> Iterator[bytes]:
        try:
            yield from part.source.pieces()
        except ContentChanged as error:
            raise self._changed(part) from error

    def _changed(self, part: Part) -> InvalidRequest:
        wrong = Violation(part.place.field, "changed while it was being sent")
        # Without its end nothing of a transfer counts.
        details = ErrorDetails(violations=(wrong,), nothing_sent=not self._ended)
        return InvalidRequest(f"{wrong.field}: {wrong.description}", details)


def mail_transfer(
    request: send_pb2.SendMessageRequest, parts: tuple[Part, ...]
) -> Transfer[SendFrame]:
    """The mail *request*, and the *parts* that it refers to."""
    framing = Framing(
        header=SendFrame(header=request), chunk=_of_mail, end=_end_of_mail
    )
    return Transfer(framing, parts)


def blob_transfer(source: Source, digest: bytes) -> Transfer[BlobFrame]:
    """The content *source*, whose SHA-256 is *digest*."""
    header = content_pb2.UploadBlobHeader(size_bytes=source.size, sha256=digest)
    framing = Framing(header=BlobFrame(header=header), chunk=_of_blob, end=_end_of_blob)
    parts = (Part("", Place(owner=None, path="blob", within="data"), source),)
    return Transfer(framing, parts, (source.size, digest))


def _of_mail(name: str, piece: bytes) -> SendFrame:
    return SendFrame(chunk=send_stream_pb2.PartChunk(part=name, data=piece))


def _end_of_mail(end: send_stream_pb2.ContentEnd) -> SendFrame:
    return SendFrame(end=end)


def _of_blob(name: str, piece: bytes) -> BlobFrame:
    del name
    return BlobFrame(chunk=piece)


def _end_of_blob(end: send_stream_pb2.ContentEnd) -> BlobFrame:
    return BlobFrame(end=end)
