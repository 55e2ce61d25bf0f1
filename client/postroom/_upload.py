"""One attempt at a call whose request goes in pieces.

gRPC pulls the frames from a thread of its own, one after the other as the service
takes them, so that a large mail is never in memory as a whole.  Its clients for asyncio
lose the answer of a service that does not wait for the end, so that they go this way
as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import grpc

from postroom._trace import Metadata
from postroom._transfers import Transfer
from postroom.messages import Progress

Frame = TypeVar("Frame")
Response = TypeVar("Response")


class Upload(Generic[Frame]):
    """An attempt to make *transfer*; *progress* is told how far it is."""

    def __init__(self, transfer: Transfer[Frame], progress: Progress | None) -> None:
        self._transfer = transfer
        self._progress = progress
        self._call: grpc.Future[Any] | None = None
        self._trouble: BaseException | None = None

    @contextmanager
    def call(
        self,
        method: grpc.StreamUnaryMultiCallable[Frame, Response],
        timeout: float,
        metadata: Metadata,
    ) -> Iterator[grpc.Future[Response]]:
        """The call, which has ended when the ``with`` block is left."""
        call = method.future(self._frames(), timeout=timeout, metadata=metadata)
        self._call = call
        try:
            # Met by the other thread, which may have been quicker than this one.
            if self._trouble:
                call.cancel()
            yield call
        finally:
            call.cancel()

    def answer(self, call: grpc.Future[Response]) -> Response:
        """What *call* is answered, as soon as it is.

        Raises what reading the contents, or telling of the progress, raised.
        """
        try:
            answer = call.result()
        except (grpc.RpcError, grpc.FutureCancelledError):
            if self._trouble is None:
                raise
        # With trouble the frames end early, which a service may take for the end.
        if self._trouble:
            raise self._trouble
        return answer

    def _frames(self) -> Iterator[Frame]:
        """The frames, for gRPC's thread: no trouble may reach that."""
        try:
            for frame, sent in self._transfer.frames():
                if self._progress:
                    self._progress(sent, self._transfer.total)
                yield frame
        except Exception as error:  # noqa: BLE001  raised again by `answer`
            self._trouble = error
            if self._call:
                self._call.cancel()
