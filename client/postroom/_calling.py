"""Calls, each made again where that helps; the I/O of `Client`.

What holds between two attempts stands in `_attempts`, what goes in a stream in
`_transfers`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import grpc

from postroom._attempts import Attempts
from postroom._failures import failure_of
from postroom._rendering import Rendering
from postroom._transfers import Transfer
from postroom._upload import Upload
from postroom.messages import Progress
from postroom.results import Rendered
from postroom.v1 import content_pb2

Frame = TypeVar("Frame")
Request = TypeVar("Request")
Response = TypeVar("Response")
Ask = Callable[[float], Response]
"""Makes one attempt, which may take so many seconds."""


def never() -> bool:
    """Whether a call that failed is over, whatever its failure says: it is not."""
    return False


class Calls:
    """The calls of one client, until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self.pause: Callable[[float], bool] = self._closed.wait

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Make no more attempts."""
        self._closed.set()

    def unary(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        attempts: Attempts,
    ) -> Response:
        """The answer to *request*."""

        def ask(timeout: float) -> Response:
            return method(request, timeout=timeout, metadata=attempts.metadata)

        return self._answer(ask, attempts)

    def upload(
        self,
        method: grpc.StreamUnaryMultiCallable[Frame, Response],
        transfer: Transfer[Frame],
        progress: Progress | None,
        attempts: Attempts,
    ) -> Response:
        """The answer to *transfer*; raises what reading it, or *progress*, raises."""

        def ask(timeout: float) -> Response:
            upload = Upload(transfer, progress)
            with upload.call(method, timeout, attempts.metadata) as call:
                return upload.answer(call)

        return self._answer(ask, attempts)

    def render(
        self,
        method: grpc.UnaryStreamMultiCallable[
            content_pb2.RenderMessageRequest, content_pb2.RenderMessageResponse
        ],
        request: content_pb2.RenderMessageRequest,
        rendering: Rendering,
        attempts: Attempts,
    ) -> Rendered:
        """What came of *rendering*; raises what writing it raises."""

        def ask(timeout: float) -> Rendered:
            rendering.begin()
            frames = method(request, timeout=timeout, metadata=attempts.metadata)
            try:
                for frame in frames:
                    rendering.take(frame)
            finally:
                frames.cancel()
            return rendering.result()

        return self._answer(ask, attempts, rendering.is_stuck)

    def _answer(
        self,
        ask: Ask[Response],
        attempts: Attempts,
        is_over: Callable[[], bool] = never,
    ) -> Response:
        """*ask* until there is an answer, or no point in asking again."""
        if self._closed.is_set():
            raise RuntimeError("the client is closed")
        while True:
            try:
                return ask(attempts.begin())
            except grpc.RpcError as error:
                failure = failure_of(error, closed=self._closed.is_set())
                delay = None if is_over() else attempts.delay_after(failure)
                if delay is None or self.pause(delay):
                    raise attempts.error_of(failure) from error
