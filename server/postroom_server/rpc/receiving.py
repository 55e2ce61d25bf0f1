"""Receives the octets of a client stream: parts of a mail, or a blob.

Nothing is kept before the end of the stream has said that all of it came: a stream
that breaks off, in whatever way, leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from postroom.v1 import content_pb2, send_stream_pb2

from postroom_server.delivery.contents import PartsExpected
from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.domain.errors import (
    ChecksumMismatch,
    InvalidArgument,
    InvalidMessage,
    Problem,
    StreamProtocol,
)
from postroom_server.domain.limits import MB, Limits
from postroom_server.domain.octets import Contents, StoredOctets, TooManyOctets
from postroom_server.outbox.store import Arriving
from postroom_server.rpc.frames import (
    ContentTally,
    FrameOrder,
    PartOrder,
    check_content,
    check_sha256,
)
from postroom_server.rpc.uploads import Upload


def in_order(upload: Upload) -> Iterator[tuple[str, Any]]:
    """Each frame of *upload* with its kind, to the end.

    Raises `StreamProtocol` where one is missing, doubled or out of order.
    """
    order = FrameOrder()
    for frame in upload.frames():
        yield order.take(frame.WhichOneof("frame")), frame
    order.close()


class PartsInbox:
    """The parts of one mail, until the ``with`` block ends.

    *engine* stores them; *expected* says which must come and how large they may be.
    """

    def __init__(self, engine: DeliveryEngine, expected: PartsExpected) -> None:
        self._engine = engine
        self._expected = expected
        self._order = PartOrder(frozenset(expected.each))
        self._size = 0
        # One part alone is hashed as it is written.
        self._tally = ContentTally() if len(expected.each) != 1 else None
        self._arrived: dict[str, Arriving] = {}
        self._current = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def take(self, chunk: send_stream_pb2.PartChunk) -> None:
        """The next chunk.

        Raises `StreamProtocol`, `InvalidArgument`, and `InvalidMessage` for a part that
        is too large.
        """
        data = chunk.data
        _refuse_large_chunk(data, self._engine.limits, "chunk.data")
        if self._order.take(chunk.part, len(data)):
            self._begin(chunk.part)
        self._size += len(data)
        if self._tally is not None:
            self._tally.add(data)
        together = self._expected.together
        if self._size > together:
            text = f"all parts together are larger than {together / MB:g} MB"
            raise InvalidMessage([Problem("message", text)])
        try:
            self._arrived[self._current].write(data)
        except TooManyOctets as error:
            raise InvalidMessage([Problem(self._current, str(error))]) from None

    def check(self, end: send_stream_pb2.ContentEnd) -> None:
        """All chunks came: raise `StreamProtocol` or `ChecksumMismatch` if not."""
        self._order.close()
        check_content((end.size_bytes, end.sha256), (self._size, self._sha256))

    def peek(self) -> Contents:
        """The parts, by their names, until the ``with`` block ends."""
        return {part: one.peek() for part, one in self._arrived.items()}

    def keep(self) -> Contents:
        """The parts, durably, by their names."""
        return {part: one.keep() for part, one in self._arrived.items()}

    @property
    def _sha256(self) -> bytes:
        """That of all parts, one after the other."""
        if self._tally is not None:
            return self._tally.sha256
        (part,) = self._arrived.values()
        return bytes.fromhex(part.sha256)

    def _begin(self, part: str) -> None:
        if self._current:
            self._arrived[self._current].rest()
        receiving = self._engine.receive(self._expected.each[part])
        self._arrived[part] = self._stack.enter_context(receiving)
        self._current = part


class BlobInbox:
    """The octets of one blob, as its *header* announced them.

    *arriving* is where they go.
    """

    def __init__(
        self, header: content_pb2.UploadBlobHeader, arriving: Arriving, limits: Limits
    ) -> None:
        self._header = header
        self._arriving = arriving
        self._limits = limits

    def take(self, chunk: bytes) -> None:
        """The next chunk.  Raises `InvalidArgument` or `ChecksumMismatch`."""
        _refuse_large_chunk(chunk, self._limits, "chunk")
        if not chunk:
            raise StreamProtocol("a chunk holds nothing")
        announced = self._header.size_bytes
        if announced and self._arriving.size + len(chunk) > announced:
            raise ChecksumMismatch(f"more came than header.size_bytes, {announced}")
        try:
            self._arriving.write(chunk)
        except TooManyOctets as error:
            raise InvalidArgument([Problem("chunk", str(error))]) from None

    def check(self, end: send_stream_pb2.ContentEnd) -> None:
        """All chunks came: raise `ChecksumMismatch` unless that is what was said."""
        size = self._arriving.size
        # Taken as it was written: a blob is hashed once.
        came = (size, bytes.fromhex(self._arriving.sha256))
        check_content((end.size_bytes, end.sha256), came)
        if not size:
            raise InvalidArgument([Problem("chunk", "a blob holds a byte at least")])
        header = self._header
        check_content((header.size_bytes or size, header.sha256), came, "header")

    def keep(self) -> StoredOctets:
        """The octets, durably."""
        return self._arriving.keep()


def check_blob_header(header: content_pb2.UploadBlobHeader, most: int) -> None:
    """Raise `InvalidArgument` if no blob of at most *most* octets can be like that."""
    size = header.size_bytes
    if not 0 <= size <= most:
        text = f"must be 1 to {most:,}, or 0 where it is not known"
        raise InvalidArgument([Problem("header.size_bytes", text)])
    check_sha256(header.sha256, "header.sha256")


def _refuse_large_chunk(chunk: bytes, limits: Limits, path: str) -> None:
    most = limits.max_chunk_bytes
    if len(chunk) > most:
        raise InvalidArgument([Problem(path, f"holds more than {most:,} bytes")])
