"""What the calls of `Client` are made of: pages, mails in pieces, uploads.

Its twin for asyncio is in `_aspeaking`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from postroom import _outgoing
from postroom._attempts import Terms
from postroom._calling import Calls
from postroom._convert import read
from postroom._rendering import Rendering
from postroom._sources import Source
from postroom._transfers import blob_transfer, mail_transfer
from postroom.arguments import CallArguments, SendArguments
from postroom.messages import Progress
from postroom.results import Blob, Delivery, Rendered
from postroom.v1 import content_pb2, delivery_requests_pb2, send_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

Asking = TypeVar("Asking", bound=Message)
Response = TypeVar("Response")


class Speaker:
    """Speaks over a channel that another opens and closes."""

    _terms: Terms
    _calls: Calls
    _service: DeliveryServiceStub

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

    def _send(self, mail: _outgoing.Outgoing, given: SendArguments) -> _outgoing.Answer:
        if not mail.parts:
            return self._call(self._service.SendMessage, mail.request, given)
        attempts = self._terms.call(mail.request, given)
        transfer = mail_transfer(mail.request, mail.parts)
        method, progress = self._service.SendMessageStream, given.get("on_progress")
        with _outgoing.naming(mail.parts):
            return self._calls.upload(method, transfer, progress, attempts)

    def _as_one(
        self, mail: _outgoing.Outgoing, given: SendArguments
    ) -> send_pb2.SendMessageRequest:
        """The request for *mail*, once all that it has no room for is uploaded."""
        for part in mail.parts:
            blob = self._upload(part.source, given.get("on_progress"), given)
            part.place.refer(blob.name)
        return mail.request

    def _upload(
        self, source: Source, progress: Progress | None, given: CallArguments
    ) -> Blob:
        transfer = blob_transfer(source, source.digest())
        attempts = self._terms.repeatable(given)
        method = self._service.UploadBlob
        answer = self._calls.upload(method, transfer, progress, attempts)
        return read(Blob, answer.blob)

    def _render(
        self,
        request: content_pb2.RenderMessageRequest,
        rendering: Rendering,
        given: CallArguments,
    ) -> Rendered:
        attempts = self._terms.call(request, given)
        method = self._service.RenderMessage
        return self._calls.render(method, request, rendering, attempts)

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Asking, Response],
        request: Asking,
        given: CallArguments,
    ) -> Response:
        attempts = self._terms.call(request, given)
        return self._calls.unary(method, request, attempts)
