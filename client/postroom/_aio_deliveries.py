"""Looking after deliveries once they exist: a part of `AsyncClient`."""
# A call's time-out is its deadline, which the service hears of and acts on.
# ruff: noqa: ASYNC109

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar, Unpack

import grpc
from google.protobuf.message import Message

from postroom import _calls
from postroom._calls import DeliveryLike
from postroom._convert import read
from postroom._wire import Wire
from postroom.arguments import CallArguments, RescheduleArguments, RetryArguments
from postroom.messages import Seconds
from postroom.results import Cancellation, Delivery, DeliveryResult

Asking = TypeVar("Asking", bound=Message)
Response = TypeVar("Response")


class AsyncDeliveries:
    """Looks after deliveries; how a call is made is its subclass's to say."""

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

    async def reschedule(
        self, delivery: DeliveryLike, **options: Unpack[RescheduleArguments]
    ) -> DeliveryResult:
        """Move what waits to another time, or to now; see `RescheduleArguments`.

        Raises `FailedPrecondition`, reason TOO_LATE, when it does not wait.
        """
        request = _calls.reschedule_request(delivery, options, datetime.now(UTC))
        answer = await self._call(
            self._wire.service.RescheduleDelivery, request, options
        )
        return read(DeliveryResult, answer.result)

    async def retry(
        self, delivery: DeliveryLike, **options: Unpack[RetryArguments]
    ) -> DeliveryResult:
        """Go on with the recipients that did not get it; see `RetryArguments`.

        Raises `FailedPrecondition`, reason NOT_RETRYABLE, when there are none.
        """
        request = _calls.retry_request(delivery, options, datetime.now(UTC))
        answer = await self._call(self._wire.service.RetryDelivery, request, options)
        return read(DeliveryResult, answer.result)

    @property
    def _wire(self) -> Wire:
        raise NotImplementedError

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
    ) -> Response:
        raise NotImplementedError
