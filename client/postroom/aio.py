"""The client for asyncio: the twin of `Client`, call by call.

It belongs to the event loop of its first call, and to that alone (`_wire`).  What each
call means stands in `_calls`, `_attempts` and `_convert`; here is only the I/O.
"""
# A call's time-out is its deadline, which the service hears of and acts on.
# ruff: noqa: ASYNC109

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc
from google.protobuf.message import Message

from postroom import _calls
from postroom._attempts import (
    HEALTH_TIMEOUT,
    MAX_ATTEMPTS,
    TIMEOUT,
    Attempts,
    Terms,
)
from postroom._calls import DeliveryLike
from postroom._channel import channel_options
from postroom._convert import read
from postroom._failures import CLOSED, failure_of
from postroom._problems import in_seconds
from postroom._wire import Wire
from postroom.arguments import (
    CallArguments,
    ListArguments,
    RetryArguments,
    SendArguments,
)
from postroom.messages import Seconds
from postroom.reports import ConnectionReport, ServerInfo, Stats
from postroom.results import (
    Cancellation,
    Delivery,
    DeliveryResult,
    ValidationReport,
)
from postroom.v1 import delivery_requests_pb2, send_pb2, server_info_pb2
from postroom.words import Health

Asking = TypeVar("Asking", bound=Message)
Request = TypeVar("Request")
Response = TypeVar("Response")
Compose = Callable[[SendArguments, datetime], send_pb2.SendMessageRequest]


class AsyncClient:
    """Speaks with one Postroom service, from asyncio.

    ::

        async with AsyncClient("localhost:50051") as client:
            result = await client.send(
                to="Ada <ada@example.com>",
                from_="me@example.com",
                subject="Hello",
                text="It works.",
            )
            result.raise_for_outcome()

    Every call raises `PostroomError`, never an error of gRPC.  A call that finds the
    service away is made again, at most *max_attempts* times within its time.

    Make one for each event loop: used from another, it raises `RuntimeError`.  Any
    number of tasks may share it.  Cancelling a task that waits in a call cancels the
    call, and leaves open whether the service has the mail: give a *request_id* to
    those that may have to be repeated.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        timeout: Seconds = TIMEOUT,
        max_attempts: int = MAX_ATTEMPTS,
        plaintext: bool | None = None,
    ) -> None:
        """Speak with the service at *target*; it is dialled with the first call.

        *timeout* bounds each call that has none of its own.  Raises `ValueError` for
        a target beyond this machine unless *plaintext* is True.
        """
        self._options = channel_options(target, plaintext=plaintext)
        self.target = target
        self._terms = Terms(
            target=target, timeout=in_seconds(timeout), max_attempts=max_attempts
        )
        self._closed = asyncio.Event()
        self._bound: Wire | None = None

    async def close(self) -> None:
        """End all calls and close the connection.  Idempotent."""
        bound = self._bound and self._bound.checked()
        self._closed.set()
        if bound:
            await bound.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def send(self, **mail: Unpack[SendArguments]) -> DeliveryResult:
        """Send a mail; the arguments are those of `SendArguments`.

        What became of it is the result, refused recipients too.  Raises
        `InvalidRequest` for a mail that is not valid, `PostroomError` where the
        service gave an error, and `OSError` for a file that can't be read.
        """
        request = await _composed(_calls.send_request, mail)
        answer = await self._call(self._wire.service.SendMessage, request, mail)
        return read(DeliveryResult, answer.result)

    async def validate(self, **mail: Unpack[SendArguments]) -> ValidationReport:
        """Check a mail as `send` would, and tell what would be sent; nothing is."""
        request = await _composed(_calls.validate_request, mail)
        answer = await self._call(self._wire.service.SendMessage, request, mail)
        return read(ValidationReport, answer.validation)

    async def get(
        self,
        delivery: DeliveryLike | None = None,
        *,
        request_id: str | None = None,
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> Delivery:
        """What became of a mail, by its name or by the request id that made it.

        Raises `NotFound`.
        """
        request = _calls.get_request(delivery, request_id)
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = await self._call(self._wire.service.GetDelivery, request, given)
        return read(Delivery, answer.delivery)

    def list(self, **conditions: Unpack[ListArguments]) -> AsyncIterator[Delivery]:
        """The mails that meet *conditions* (`ListArguments`), newest first.

        Pages are fetched as they are needed; *timeout* is for each of them.
        """
        request = _calls.list_request(conditions, datetime.now(UTC))
        return self._pages(request, conditions)

    async def cancel(
        self,
        delivery: DeliveryLike,
        *,
        request_id: str | None = None,
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> Cancellation:
        """Take back what is not sent yet.

        Raises `FailedPrecondition`, reason TOO_LATE, when all of it is.
        """
        request = _calls.cancel_request(delivery, request_id)
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = await self._call(self._wire.service.CancelDelivery, request, given)
        return read(Cancellation, answer)

    async def retry(
        self, delivery: DeliveryLike, **options: Unpack[RetryArguments]
    ) -> DeliveryResult:
        """Go on with the recipients that did not get it; see `RetryArguments`.

        Raises `FailedPrecondition`, reason NOT_RETRYABLE, when there are none.
        """
        request = _calls.retry_request(delivery, options, datetime.now(UTC))
        answer = await self._call(self._wire.service.RetryDelivery, request, options)
        return read(DeliveryResult, answer.result)

    async def test_connection(
        self,
        relay: str | None = None,
        *,
        verify_sender: str = "",
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> ConnectionReport:
        """Try the way to *relay*, or to the default one, without sending mail.

        A relay that can't be reached is a report too.
        """
        request = _calls.connection_request(relay, verify_sender)
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = await self._call(self._wire.service.TestConnection, request, given)
        return read(ConnectionReport, answer)

    async def stats(
        self,
        relay: str | None = None,
        *,
        include_relays: bool = False,
        include_latencies: bool = False,
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> Stats:
        """The numbers of the service, or of one relay."""
        request = _calls.stats_request(
            relay, include_relays=include_relays, include_latencies=include_latencies
        )
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = await self._call(self._wire.service.GetStats, request, given)
        return read(Stats, answer)

    async def server_info(
        self, *, timeout: Seconds | None = None, traceparent: str | None = None
    ) -> ServerInfo:
        """What the service is, its limits and features."""
        request = server_info_pb2.GetServerInfoRequest()
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = await self._call(self._wire.service.GetServerInfo, request, given)
        return read(ServerInfo, answer)

    async def health(
        self,
        service: str = "",
        *,
        timeout: Seconds = HEALTH_TIMEOUT,
        traceparent: str | None = None,
    ) -> Health:
        """Whether the service can do its work, or the relay "relays/main".

        Asked once, never again.  Raises `Unavailable` where nobody answers and
        `NotFound` for a name that is not watched.
        """
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        once = self._terms.once(given)
        return await self._answer(self._wire.check_health, service, once)

    async def _pages(
        self,
        request: delivery_requests_pb2.ListDeliveriesRequest,
        given: CallArguments,
    ) -> AsyncIterator[Delivery]:
        while True:
            page = await self._call(self._wire.service.ListDeliveries, request, given)
            for delivery in page.deliveries:
                yield read(Delivery, delivery)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @property
    def _wire(self) -> Wire:
        """The way to the service, from the loop that runs."""
        if self._closed.is_set():
            raise RuntimeError("the client is closed")
        if self._bound is None:
            self._bound = Wire.opened(self.target, self._options)
        return self._bound.checked()

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
    ) -> Response:
        return await self._answer(method, request, self._terms.call(request, given))

    async def _answer(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        attempts: Attempts,
    ) -> Response:
        """Call *method* until it answers or there is no point in trying again."""
        before = _cancellations()
        while True:
            try:
                return await method(
                    request, timeout=attempts.begin(), metadata=attempts.metadata
                )
            except asyncio.CancelledError as error:
                if not self._closed.is_set() or _cancellations() > before:
                    raise
                # gRPC cancels the calls of a channel that is closed; the task that
                # waits was not cancelled, and is not to think so.
                raise attempts.error_of(CLOSED) from error
            except grpc.RpcError as error:
                # gRPC loses a cancellation that comes at the moment of the answer.
                if _cancellations() > before:
                    raise asyncio.CancelledError from error
                failure = failure_of(error)
                delay = attempts.delay_after(failure)
                if delay is None or await self._pause(delay):
                    raise attempts.error_of(failure) from error

    async def _pause(self, delay: float) -> bool:
        """Wait for *delay* seconds; returns whether the client was closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._closed.wait()
        return self._closed.is_set()


async def _composed(
    compose: Compose, mail: SendArguments
) -> send_pb2.SendMessageRequest:
    """What *compose* makes of *mail*; the loop doesn't wait for files to be read."""
    now = datetime.now(UTC)
    if "attachments" in mail:
        return await asyncio.to_thread(compose, mail, now)
    return compose(mail, now)


def _cancellations() -> int:
    """How often somebody cancelled the task that runs."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0
