"""The client: mail in, the truth about every recipient out.

Thread-safe: one channel, shared by all threads.  Make it after a fork, not before.
What each call means stands in `_calls`, `_attempts` and `_convert`; here is only the
I/O.  Its twin for asyncio is in `postroom.aio`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc
from google.protobuf.message import Message

from postroom import _calls, _health
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
from postroom._failures import failure_of
from postroom._problems import in_seconds
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
from postroom.v1 import delivery_requests_pb2, server_info_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.words import Health

__all__ = ["HEALTH_TIMEOUT", "MAX_ATTEMPTS", "TIMEOUT", "Client"]

Asking = TypeVar("Asking", bound=Message)
Request = TypeVar("Request")
Response = TypeVar("Response")


class Client:
    """Speaks with one Postroom service.

    ::

        with Client("localhost:50051") as client:
            result = client.send(
                to="Ada <ada@example.com>",
                from_="me@example.com",
                subject="Hello",
                text="It works.",
            )
            result.raise_for_outcome()

    Every call raises `PostroomError`, never an error of gRPC.  A call that finds the
    service away is made again, at most *max_attempts* times within its time.
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
        options = channel_options(target, plaintext=plaintext)
        self.target = target
        self._terms = Terms(
            target=target, timeout=in_seconds(timeout), max_attempts=max_attempts
        )
        self._closed = threading.Event()
        self._pause: Callable[[float], bool] = self._closed.wait
        self._channel = grpc.insecure_channel(target, options=options)
        self._service = DeliveryServiceStub(self._channel)
        self._check_health = self._channel.unary_unary(
            _health.METHOD, _health.serialize, _health.deserialize
        )

    def close(self) -> None:
        """End all calls and close the connection.  Idempotent."""
        self._closed.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, **mail: Unpack[SendArguments]) -> DeliveryResult:
        """Send a mail; the arguments are those of `SendArguments`.

        What became of it is the result, refused recipients too.  Raises
        `InvalidRequest` for a mail that is not valid, `PostroomError` where the
        service gave an error, and `OSError` for a file that can't be read.
        """
        request = _calls.send_request(mail, datetime.now(UTC))
        answer = self._call(self._service.SendMessage, request, mail)
        return read(DeliveryResult, answer.result)

    def validate(self, **mail: Unpack[SendArguments]) -> ValidationReport:
        """Check a mail as `send` would, and tell what would be sent; nothing is."""
        request = _calls.validate_request(mail, datetime.now(UTC))
        answer = self._call(self._service.SendMessage, request, mail)
        return read(ValidationReport, answer.validation)

    def get(
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
        answer = self._call(self._service.GetDelivery, request, given)
        return read(Delivery, answer.delivery)

    def list(self, **conditions: Unpack[ListArguments]) -> Iterator[Delivery]:
        """The mails that meet *conditions* (`ListArguments`), newest first.

        Pages are fetched as they are needed; *timeout* is for each of them.
        """
        request = _calls.list_request(conditions, datetime.now(UTC))
        return self._pages(request, conditions)

    def cancel(
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
        answer = self._call(self._service.CancelDelivery, request, given)
        return read(Cancellation, answer)

    def retry(
        self, delivery: DeliveryLike, **options: Unpack[RetryArguments]
    ) -> DeliveryResult:
        """Go on with the recipients that did not get it; see `RetryArguments`.

        Raises `FailedPrecondition`, reason NOT_RETRYABLE, when there are none.
        """
        request = _calls.retry_request(delivery, options, datetime.now(UTC))
        answer = self._call(self._service.RetryDelivery, request, options)
        return read(DeliveryResult, answer.result)

    def test_connection(
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
        answer = self._call(self._service.TestConnection, request, given)
        return read(ConnectionReport, answer)

    def stats(
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
        answer = self._call(self._service.GetStats, request, given)
        return read(Stats, answer)

    def server_info(
        self, *, timeout: Seconds | None = None, traceparent: str | None = None
    ) -> ServerInfo:
        """What the service is, its limits and features."""
        request = server_info_pb2.GetServerInfoRequest()
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = self._call(self._service.GetServerInfo, request, given)
        return read(ServerInfo, answer)

    def health(
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
        return self._answer(self._check_health, service, self._terms.once(given))

    def _pages(
        self,
        request: delivery_requests_pb2.ListDeliveriesRequest,
        given: CallArguments,
    ) -> Iterator[Delivery]:
        while True:
            page = self._call(self._service.ListDeliveries, request, given)
            for delivery in page.deliveries:
                yield read(Delivery, delivery)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
    ) -> Response:
        return self._answer(method, request, self._terms.call(request, given))

    def _answer(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        attempts: Attempts,
    ) -> Response:
        """Call *method* until it answers or there is no point in trying again."""
        if self._closed.is_set():
            raise RuntimeError("the client is closed")
        while True:
            try:
                return method(
                    request, timeout=attempts.begin(), metadata=attempts.metadata
                )
            except grpc.RpcError as error:
                failure = failure_of(error)
                delay = attempts.delay_after(failure)
                if delay is None or self._pause(delay):
                    raise attempts.error_of(failure) from error
