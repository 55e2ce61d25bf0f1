"""The client: mail in, the truth about every recipient out.

Thread-safe: one channel, shared by all threads.  Make it after a fork, not before.
What each call means stands in `_calls` and `_convert`; here is only the I/O.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc
from google.protobuf.message import Message

from postroom import _calls, _health
from postroom._calls import DeliveryLike, relay_name
from postroom._channel import open_channel
from postroom._convert import read
from postroom._failures import Asked, Failure, error_of, hint_of, leaves_doubt
from postroom._problems import in_seconds
from postroom._retry import Persistence, Surroundings
from postroom.arguments import ListArguments, RetryArguments, SendArguments
from postroom.messages import Seconds
from postroom.reports import ConnectionReport, ServerInfo, Stats
from postroom.results import (
    Cancellation,
    Delivery,
    DeliveryResult,
    ValidationReport,
)
from postroom.v1 import connection_pb2, server_info_pb2, stats_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.words import Health

TIMEOUT = 90.0
MAX_ATTEMPTS = 4
HEALTH_TIMEOUT = 5.0

Response = TypeVar("Response")
logger = logging.getLogger("postroom")


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
        self.target = target
        self._timeout = in_seconds(timeout)
        self._max_attempts = max_attempts
        self._surroundings = Surroundings(
            clock=time.monotonic,
            chance=random.random,
        )
        self._closed = threading.Event()
        self._pause: Callable[[float], bool] = self._closed.wait
        self._channel = open_channel(target, plaintext=plaintext)
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
        answer = self._change(self._service.SendMessage, request, mail.get("timeout"))
        return read(DeliveryResult, answer.result)

    def validate(self, **mail: Unpack[SendArguments]) -> ValidationReport:
        """Check a mail as `send` would, and tell what would be sent; nothing is."""
        request = _calls.send_request(mail, datetime.now(UTC))
        request.validate_only = True
        request.ClearField("request_id")
        answer = self._call(self._service.SendMessage, request, mail.get("timeout"))
        return read(ValidationReport, answer.validation)

    def get(
        self,
        delivery: DeliveryLike | None = None,
        *,
        request_id: str | None = None,
        timeout: Seconds | None = None,
    ) -> Delivery:
        """What became of a mail, by its name or by the request id that made it.

        Raises `NotFound`.
        """
        request = _calls.get_request(delivery, request_id)
        answer = self._call(self._service.GetDelivery, request, timeout)
        return read(Delivery, answer.delivery)

    def list(self, **conditions: Unpack[ListArguments]) -> Iterator[Delivery]:
        """The mails that meet *conditions* (`ListArguments`), newest first.

        Pages are fetched as they are needed; *timeout* is for each of them.
        """
        request = _calls.list_request(conditions, datetime.now(UTC))
        return self._pages(request, conditions.get("timeout"))

    def cancel(
        self,
        delivery: DeliveryLike,
        *,
        request_id: str | None = None,
        timeout: Seconds | None = None,
    ) -> Cancellation:
        """Take back what is not sent yet.

        Raises `FailedPrecondition`, reason TOO_LATE, when all of it is.
        """
        request = _calls.cancel_request(delivery, request_id)
        answer = self._change(self._service.CancelDelivery, request, timeout)
        return read(Cancellation, answer)

    def retry(
        self, delivery: DeliveryLike, **options: Unpack[RetryArguments]
    ) -> DeliveryResult:
        """Go on with the recipients that did not get it; see `RetryArguments`.

        Raises `FailedPrecondition`, reason NOT_RETRYABLE, when there are none.
        """
        request = _calls.retry_request(delivery, options, datetime.now(UTC))
        timeout = options.get("timeout")
        answer = self._change(self._service.RetryDelivery, request, timeout)
        return read(DeliveryResult, answer.result)

    def test_connection(
        self,
        relay: str | None = None,
        *,
        verify_sender: str = "",
        timeout: Seconds | None = None,
    ) -> ConnectionReport:
        """Try the way to *relay*, or to the default one, without sending mail.

        A relay that can't be reached is a report too.
        """
        request = connection_pb2.TestConnectionRequest(
            relay=relay_name(relay), verify_sender=verify_sender
        )
        answer = self._call(self._service.TestConnection, request, timeout)
        return read(ConnectionReport, answer)

    def stats(
        self,
        relay: str | None = None,
        *,
        include_relays: bool = False,
        include_latencies: bool = False,
        timeout: Seconds | None = None,
    ) -> Stats:
        """The numbers of the service, or of one relay."""
        request = stats_pb2.GetStatsRequest(
            relay=relay_name(relay),
            include_relays=include_relays,
            include_latencies=include_latencies,
        )
        answer = self._call(self._service.GetStats, request, timeout)
        return read(Stats, answer)

    def server_info(self, *, timeout: Seconds | None = None) -> ServerInfo:
        """What the service is, its limits and features."""
        request = server_info_pb2.GetServerInfoRequest()
        answer = self._call(self._service.GetServerInfo, request, timeout)
        return read(ServerInfo, answer)

    def health(self, service: str = "", *, timeout: Seconds = HEALTH_TIMEOUT) -> Health:
        """Whether the service can do its work, or the relay "relays/main".

        Asked once, never again.  Raises `Unavailable` where nobody answers and
        `NotFound` for a name that is not watched.
        """
        try:
            return self._check_health(service, timeout=in_seconds(timeout))
        except grpc.RpcError as error:
            raise error_of(_failure(error), Asked(target=self.target)) from error

    def _pages(self, request: Any, timeout: Seconds | None) -> Iterator[Delivery]:  # noqa: ANN401
        while True:
            page = self._call(self._service.ListDeliveries, request, timeout)
            for delivery in page.deliveries:
                yield read(Delivery, delivery)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _change(
        self,
        method: grpc.UnaryUnaryMultiCallable[Any, Response],
        request: Any,  # noqa: ANN401  one with a request_id
        timeout: Seconds | None,
    ) -> Response:
        return self._call(method, request, timeout, request.request_id)

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Any, Response],
        request: Message,
        timeout: Seconds | None,
        request_id: str = "",
    ) -> Response:
        """Call *method* until it answers or there is no point in trying again."""
        if self._closed.is_set():
            raise RuntimeError("the client is closed")
        allowed = self._timeout if timeout is None else in_seconds(timeout)
        calls = Persistence(allowed, self._max_attempts, self._surroundings)
        asked = Asked(target=self.target, request_id=request_id)
        while True:
            try:
                return method(request, timeout=calls.begin())
            except grpc.RpcError as error:
                failure = _failure(error)
                if leaves_doubt(failure):
                    asked = replace(asked, in_doubt=True)
                delay = calls.delay_after(hint_of(failure))
                if delay is None or self._closed_during(delay, calls.attempts):
                    raise error_of(failure, asked) from error

    def _closed_during(self, delay: float, attempts: int) -> bool:
        logger.debug("unavailable at attempt %d, again in %.2f s", attempts, delay)
        return self._pause(delay)


def _failure(error: Any) -> Failure:  # noqa: ANN401  what grpc raises is a Call too
    return Failure(
        code=error.code().name,
        text=error.details() or "",
        trailers=tuple(error.trailing_metadata() or ()),
    )
