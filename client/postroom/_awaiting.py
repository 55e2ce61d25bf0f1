"""Calls, each made again where that helps; the I/O of `AsyncClient`.

The twin of `_calling`.  The loop never waits for a file.
"""
# A call's time-out is its deadline, which the service hears of and acts on.
# ruff: noqa: ASYNC109

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

import grpc

from postroom._attempts import Attempts
from postroom._calling import never
from postroom._failures import CLOSED, failure_of
from postroom._outgoing import Outgoing, may_take_long
from postroom._rendering import Rendering
from postroom._transfers import Transfer
from postroom._upload import Upload
from postroom.arguments import SendArguments
from postroom.messages import Progress, RawMessage
from postroom.results import Rendered
from postroom.v1 import content_pb2

Frame = TypeVar("Frame")
Request = TypeVar("Request")
Response = TypeVar("Response")
Ask = Callable[[float], Awaitable[Response]]
"""Makes one attempt, which may take so many seconds."""
Compose = Callable[[RawMessage | None, SendArguments, datetime], Outgoing]


class AsyncCalls:
    """The calls of one client, until it is closed."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Make no more attempts."""
        self._closed.set()

    async def unary(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        attempts: Attempts,
    ) -> Response:
        """The answer to *request*."""

        async def ask(timeout: float) -> Response:
            return await method(request, timeout=timeout, metadata=attempts.metadata)

        return await self._answer(ask, attempts)

    async def upload(
        self,
        method: grpc.StreamUnaryMultiCallable[Frame, Response],
        transfer: Transfer[Frame],
        progress: Progress | None,
        attempts: Attempts,
    ) -> Response:
        """The answer to *transfer*; raises what reading it, or *progress*, raises."""

        async def ask(timeout: float) -> Response:
            upload = Upload(transfer, progress)
            with upload.call(method, timeout, attempts.metadata) as call:
                await _ended(call)
                return upload.answer(call)

        return await self._answer(ask, attempts)

    async def render(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[
            content_pb2.RenderMessageRequest, content_pb2.RenderMessageResponse
        ],
        request: content_pb2.RenderMessageRequest,
        rendering: Rendering,
        attempts: Attempts,
    ) -> Rendered:
        """What came of *rendering*; raises what writing it raises."""

        async def ask(timeout: float) -> Rendered:
            rendering.begin()
            frames = method(request, timeout=timeout, metadata=attempts.metadata)
            try:
                async for frame in frames:
                    await asyncio.to_thread(rendering.take, frame)
            finally:
                frames.cancel()
            return rendering.result()

        return await self._answer(ask, attempts, rendering.is_stuck)

    async def _answer(
        self,
        ask: Ask[Response],
        attempts: Attempts,
        is_over: Callable[[], bool] = never,
    ) -> Response:
        """*ask* until there is an answer, or no point in asking again."""
        before = cancellations()
        while True:
            try:
                return await ask(attempts.begin())
            except asyncio.CancelledError as error:
                if not self.closed or cancellations() > before:
                    raise
                # gRPC cancels the calls of a channel that is closed; the task that
                # waits was not cancelled, and is not to think so.
                raise attempts.error_of(CLOSED) from error
            except grpc.RpcError as error:
                # gRPC loses a cancellation that comes at the moment of the answer.
                if cancellations() > before:
                    raise asyncio.CancelledError from error
                failure = failure_of(error, closed=self.closed)
                delay = None if is_over() else attempts.delay_after(failure)
                if delay is None or await self.pause(delay):
                    raise attempts.error_of(failure) from error

    async def pause(self, delay: float) -> bool:
        """Wait for *delay* seconds; returns whether the client was closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._closed.wait()
        return self.closed


async def composed(
    compose: Compose, raw: RawMessage | None, mail: SendArguments
) -> Outgoing:
    """What *compose* makes of *mail*; the loop doesn't wait for files to be read."""
    now = datetime.now(UTC)
    if raw is not None or may_take_long(mail):
        return await asyncio.to_thread(compose, raw, mail, now)
    return compose(raw, mail, now)


async def _ended(call: grpc.Future[Response]) -> None:
    """Wait until *call*, which has threads of its own, has ended."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        # A loop that is closed waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(tell)
    await ended.wait()


def cancellations() -> int:
    """How often somebody cancelled the task that runs."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0
