"""What the methods that stream do: mail in pieces, blobs, and rendered mail.

As in `delivery`, no rule lives here.  An error is told as soon as it is known, whether
or not all of the stream has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from postroom.v1 import content_pb2, send_pb2, send_stream_pb2

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.delivery.rendering import Rendered
from postroom_server.domain.errors import InvalidArgument, Problem
from postroom_server.domain.submission import Completion, Submission
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.convert import requests
from postroom_server.rpc.convert.contents import render_header, upload_response
from postroom_server.rpc.convert.names import delivery_id
from postroom_server.rpc.convert.reports import validation_report
from postroom_server.rpc.convert.results import delivery_result
from postroom_server.rpc.frames import ContentTally
from postroom_server.rpc.methods import Behaviour
from postroom_server.rpc.receiving import (
    BlobInbox,
    PartsInbox,
    check_blob_header,
    in_order,
)
from postroom_server.rpc.uploads import Upload

CHUNK = 64 * 1024
"""Octets of a chunk that we send, at most."""

_StreamAnswer = send_stream_pb2.SendMessageStreamResponse


class ContentBehaviours:
    """Answers the methods that stream from *engine*; thread-safe."""

    def __init__(self, engine: DeliveryEngine) -> None:
        self._engine = engine

    def behaviours(self) -> Mapping[str, Behaviour]:
        """What answers each method, by its bare name."""
        return {
            "SendMessageStream": self.send_message_stream,
            "UploadBlob": self.upload_blob,
            "RenderMessage": self.render_message,
        }

    def send_message_stream(self, upload: Upload, call: CallContext) -> _StreamAnswer:
        """Send one mail that comes in pieces, or say what would be sent."""
        with ExitStack() as stack:
            for kind, frame in in_order(upload):
                match kind:
                    case "header":
                        header = frame.header
                        submission = _submission(header, call)
                        expected = self._engine.check_header(submission)
                        inbox = stack.enter_context(PartsInbox(self._engine, expected))
                    case "chunk":
                        inbox.take(frame.chunk)
                    case _:
                        inbox.check(frame.end)
            upload.received()
            if header.validate_only:
                seen = replace(submission, parts=inbox.peek())
                report = validation_report(self._engine.validate(seen))
                return _StreamAnswer(validation=report)
            whole = replace(submission, parts=inbox.keep())
        answer = self._engine.send(whole, call)
        result = delivery_result(answer.delivery, replayed=answer.replayed)
        return _StreamAnswer(result=result)

    def upload_blob(
        self, upload: Upload, call: CallContext
    ) -> content_pb2.UploadBlobResponse:
        """Store octets for later mails."""
        tenant = call.principal.tenant
        most = self._engine.limits.max_blob_bytes
        with ExitStack() as stack:
            for kind, frame in in_order(upload):
                match kind:
                    case "header":
                        check_blob_header(frame.header, most)
                        known = self._known(tenant, frame.header.sha256)
                        if known is not None:
                            return known
                        arriving = stack.enter_context(self._engine.receive(most))
                        limits = self._engine.limits
                        inbox = BlobInbox(frame.header, arriving, limits)
                    case "chunk":
                        inbox.take(frame.chunk)
                    case _:
                        inbox.check(frame.end)
            upload.received()
            self._engine.admit_blob(tenant, arriving)
            octets = inbox.keep()
        return upload_response(self._engine.keep_blob(tenant, octets))

    def render_message(
        self, request: content_pb2.RenderMessageRequest, call: CallContext
    ) -> Iterator[content_pb2.RenderMessageResponse]:
        """Show the bytes that would be, or were, sent."""
        rendered = self._rendered(request, call)
        yield render_header(rendered)
        tally = ContentTally()
        for chunk in even_chunks(rendered.chunks, CHUNK):
            tally.add(chunk)
            yield content_pb2.RenderMessageResponse(chunk=chunk)
        end = send_stream_pb2.ContentEnd(size_bytes=tally.size, sha256=tally.sha256)
        yield content_pb2.RenderMessageResponse(end=end)

    def _known(
        self, tenant: str, sha256: bytes
    ) -> content_pb2.UploadBlobResponse | None:
        if not sha256:
            return None
        blob = self._engine.find_blob(tenant, sha256.hex())
        if blob is None:
            return None
        # Announced is as good as uploaded: it moves the blob's end.
        return upload_response(self._engine.keep_blob(tenant, blob.octets))

    def _rendered(
        self, request: content_pb2.RenderMessageRequest, call: CallContext
    ) -> Rendered:
        match request.WhichOneof("source"):
            case "request":
                asked = _submission(request.request, call)
                # What makes no difference to the bytes is ignored, right or wrong.
                none = replace(asked, request_id="", completion=Completion.UNSPECIFIED)
                return self._engine.render(none)
            case "delivery":
                wanted = delivery_id(request.delivery, "delivery")
                return self._engine.render_delivery(call.principal.tenant, wanted)
            case _:
                raise InvalidArgument([Problem("request", "is required")])


def _submission(request: send_pb2.SendMessageRequest, call: CallContext) -> Submission:
    return requests.submission(request, call.principal, call.trace_id)


def even_chunks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same octets in chunks of *size*, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        left = memoryview(chunk)
        while len(held) + len(left) >= size:
            room = size - len(held)
            yield bytes(held) + bytes(left[:room])
            held.clear()
            left = left[room:]
        held += left
    if held:
        yield bytes(held)
