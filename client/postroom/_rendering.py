"""A rendered mail as it comes, written to a file and checked.

A rendering that breaks off begins again, at the place where it began, in a file that
can be moved.  In another nothing can be taken back, so that it ends with the first
break after the first byte.
"""

from __future__ import annotations

from hashlib import sha256

from postroom._convert import read
from postroom.errors import InternalError
from postroom.messages import Writer
from postroom.results import Rendered, ValidationReport
from postroom.v1 import content_pb2, send_stream_pb2


class Rendering:
    """One rendering; *file* gets its bytes."""

    def __init__(self, file: Writer) -> None:
        seekable = getattr(file, "seekable", None)
        self._start: int | None = file.tell() if seekable and seekable() else None  # type: ignore[attr-defined]
        self._file = file
        self._forget()

    def begin(self) -> None:
        """Begin, or begin again."""
        if self._start is not None and self._size:
            self._file.seek(self._start)  # type: ignore[attr-defined]
            self._file.truncate()  # type: ignore[attr-defined]
        self._forget()

    def is_stuck(self) -> bool:
        """Whether what was written can't be taken back."""
        return self._start is None and self._size > 0

    def take(self, frame: content_pb2.RenderMessageResponse) -> None:
        """The next frame; raises what writing raises."""
        match frame.WhichOneof("frame"):
            case "header":
                self._header = frame.header
            case "chunk":
                self._file.write(frame.chunk)
                self._hash.update(frame.chunk)
                self._size += len(frame.chunk)
            case "end":
                self._end = frame.end

    def result(self) -> Rendered:
        """What came; raises `InternalError` if it was not whole."""
        digest = self._hash.digest()
        if self._end.size_bytes != self._size or self._end.sha256 != digest:
            raise InternalError("the rendered mail did not come whole")
        return Rendered(
            report=read(ValidationReport, self._header.report),
            message_id=self._header.message_id,
            size_bytes=self._size,
            sha256=digest,
        )

    def _forget(self) -> None:
        self._size = 0
        self._hash = sha256()
        self._header = content_pb2.RenderMessageHeader()
        self._end = send_stream_pb2.ContentEnd(size_bytes=-1)
