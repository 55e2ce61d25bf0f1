"""What the calls of `AsyncClient` are made of; the twin of `_speaking`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from postroom import _outgoing
from postroom._attempts import Terms
from postroom._awaiting import AsyncCalls
from postroom._channel import Way
from postroom._convert import read
from postroom._rendering import Rendering
from postroom._sources import Source
from postroom._transfers import blob_transfer, mail_transfer
from postroom._wire import Wire
from postroom.arguments import CallArguments, SendArguments
from postroom.messages import Progress
from postroom.results import Blob, Delivery, Rendered
from postroom.v1 import content_pb2, delivery_requests_pb2, send_pb2

Asking = TypeVar("Asking", bound=Message)
Response = TypeVar("Response")


class AsyncSpeaker:
    """Speaks over a channel of the loop that runs."""

    _way: Way
    _terms: Terms
    _calls: AsyncCalls
    _bound: Wire | None

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
        if self._calls.closed:
            raise RuntimeError("the client is closed")
        if self._bound is None:
            self._bound = Wire.opened(self._way)
        return self._bound.checked()

    async def _send(
        self, mail: _outgoing.Outgoing, given: SendArguments
    ) -> _outgoing.Answer:
        if not mail.parts:
            return await self._call(self._wire.service.SendMessage, mail.request, given)
        attempts = self._terms.call(mail.request, given)
        transfer = mail_transfer(mail.request, mail.parts)
        method = self._wire.uploads.SendMessageStream
        progress = given.get("on_progress")
        with _outgoing.naming(mail.parts):
            return await self._calls.upload(method, transfer, progress, attempts)

    async def _as_one(
        self, mail: _outgoing.Outgoing, given: SendArguments
    ) -> send_pb2.SendMessageRequest:
        """The request for *mail*, once all that it has no room for is uploaded."""
        for part in mail.parts:
            blob = await self._upload(part.source, given.get("on_progress"), given)
            part.place.refer(blob.name)
        return mail.request

    async def _upload(
        self, source: Source, progress: Progress | None, given: CallArguments
    ) -> Blob:
        transfer = blob_transfer(source, await asyncio.to_thread(source.digest))
        attempts = self._terms.repeatable(given)
        method = self._wire.uploads.UploadBlob
        answer = await self._calls.upload(method, transfer, progress, attempts)
        return read(Blob, answer.blob)

    async def _render(
        self,
        request: content_pb2.RenderMessageRequest,
        rendering: Rendering,
        given: CallArguments,
    ) -> Rendered:
        attempts = self._terms.call(request, given)
        method = self._wire.service.RenderMessage
        return await self._calls.render(method, request, rendering, attempts)

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
    ) -> Response:
        attempts = self._terms.call(request, given)
        return await self._calls.unary(method, request, attempts)
