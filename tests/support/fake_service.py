"""A Postroom service that answers what it is told to: real gRPC on the loopback.

Each method answers from its script, one entry for each call; without a script it gives
an empty answer.  An entry is a response, a `Refusal`, or a function of the request.  Of
a stream the frames are read first, unless the entry is `Early`.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from queue import SimpleQueue
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from postroom.v1 import (
    connection_pb2,
    content_pb2,
    delivery_requests_pb2,
    error_reason_pb2,
    send_pb2,
    send_stream_pb2,
    server_info_pb2,
    stats_pb2,
)
from postroom.v1.delivery_service_pb2_grpc import (
    DeliveryServiceServicer,
    add_DeliveryServiceServicer_to_server,
)

PATIENCE = 10.0
_RESPONSES: dict[str, type[Message]] = {
    "SendMessage": send_pb2.SendMessageResponse,
    "SendMessageStream": send_stream_pb2.SendMessageStreamResponse,
    "UploadBlob": content_pb2.UploadBlobResponse,
    "GetDelivery": delivery_requests_pb2.GetDeliveryResponse,
    "ListDeliveries": delivery_requests_pb2.ListDeliveriesResponse,
    "CancelDelivery": delivery_requests_pb2.CancelDeliveryResponse,
    "RescheduleDelivery": delivery_requests_pb2.RescheduleDeliveryResponse,
    "RetryDelivery": delivery_requests_pb2.RetryDeliveryResponse,
    "TestConnection": connection_pb2.TestConnectionResponse,
    "GetStats": stats_pb2.GetStatsResponse,
    "GetServerInfo": server_info_pb2.GetServerInfoResponse,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error; with an empty *reason* it has no `ErrorInfo`, as a proxy's has none."""

    code: grpc.StatusCode
    text: str = "refused"
    reason: str = ""
    domain: str = "postroom"
    metadata: dict[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()
    retry_after: float | None = None
    pushback: str | None = None

    def abort(self, context: grpc.ServicerContext) -> None:
        trailers: list[tuple[str, str | bytes]] = []
        if self.pushback is not None:
            trailers.append(("grpc-retry-pushback-ms", self.pushback))
        trailers.append(("grpc-status-details-bin", self.status()))
        context.set_trailing_metadata(tuple(trailers))
        context.abort(self.code, self.text)

    def of_item(self) -> error_reason_pb2.ItemError:
        """The same for one mail of many."""
        known = {
            v.name: v.number for v in error_reason_pb2.ErrorReason.DESCRIPTOR.values
        }
        return error_reason_pb2.ItemError(
            code=self.code.value[0],
            reason=known[f"ERROR_REASON_{self.reason}"],
            message=self.text,
            metadata=self.metadata,
        )

    def status(self) -> bytes:
        status = status_pb2.Status(code=self.code.value[0], message=self.text)
        for detail in self._details():
            packed = Packed()
            packed.Pack(detail)
            status.details.append(packed)
        return status.SerializeToString()

    def _details(self) -> Iterator[Message]:
        if self.reason:
            yield error_details_pb2.ErrorInfo(
                reason=self.reason, domain=self.domain, metadata=self.metadata
            )
        if self.violations:
            wrong = error_details_pb2.BadRequest()
            for path, description in self.violations:
                wrong.field_violations.add(field=path, description=description)
            yield wrong
        if self.retry_after is not None:
            delay = Duration()
            delay.FromMilliseconds(round(self.retry_after * 1000))
            yield error_details_pb2.RetryInfo(retry_delay=delay)


@dataclass(frozen=True, slots=True)
class Early:
    """What is answered to a stream after *frames* of it."""

    answer: Message | Refusal
    frames: int = 1


Answer = Message | Refusal | Early | Callable[[Any], Message | Refusal]


class Stream:
    """The frames of a call, by kind; of the bytes it keeps what they hash to."""

    def __init__(self) -> None:
        self.header: Any = None
        self.end: Any = None
        self.parts: dict[str, Any] = {}
        self.largest = 0
        self.size = 0
        self._name = ""

    def take(self, frame: Any) -> None:
        match frame.WhichOneof("frame"):
            case "header":
                self.header = frame.header
            case "end":
                self.end = frame.end
            case "chunk":
                self._keep(frame.chunk)

    def _keep(self, chunk: Any) -> None:
        octets = chunk if isinstance(chunk, bytes) else chunk.data
        self._name = getattr(chunk, "part", "") or self._name
        self.parts.setdefault(self._name, sha256()).update(octets)
        self.largest = max(self.largest, len(octets))
        self.size += len(octets)

    @property
    def digests(self) -> dict[str, bytes]:
        """The SHA-256 of each part."""
        return {name: found.digest() for name, found in self.parts.items()}


class FakeService(DeliveryServiceServicer):
    """Keeps what it was asked; safe to ask from any thread.

    *metadata* came with the calls, in their order, and *times* are the seconds that
    each was given.  *asked* is set by the first call, and *ended* when one ends, for its
    caller too.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.times: list[float] = []
        self.asked = threading.Event()
        self.ended = threading.Event()
        self.health: dict[str, int] = {"": 1}
        self.target = ""
        self.stopping = threading.Event()
        self._scripts: dict[str, deque[Any]] = defaultdict(deque)

    def script(self, method: str, *answers: Any) -> None:
        """The next calls of *method* get *answers*: `Answer`, frames to render."""
        self._scripts[method].extend(answers)

    def hang(self, request: object) -> Message:
        """An answer that does not come before the service stops."""
        del request
        self.stopping.wait(PATIENCE)
        return send_pb2.SendMessageResponse()

    def SendMessage(self, request, context):  # noqa: N802
        return self._answer("SendMessage", request, context)

    def SendMessages(self, request_iterator, context):  # noqa: N802
        """Each mail is answered from the script of SendMessage, several at once."""
        outcomes: SimpleQueue[Any] = SimpleQueue()

        def answer(index: int, item: Any) -> None:
            outcomes.put(self._outcome(index, item.request, context))

        def read() -> None:
            # A caller who breaks off ends the iteration with an error.
            with suppress(grpc.RpcError), ThreadPoolExecutor(8) as threads:
                for index, item in enumerate(request_iterator):
                    threads.submit(answer, index, item)
            outcomes.put(None)

        threading.Thread(target=read, daemon=True).start()
        window = send_stream_pb2.StreamWindow(max_unanswered=1000)
        yield send_stream_pb2.SendMessagesResponse(window=window)
        for outcome in iter(outcomes.get, None):
            yield send_stream_pb2.SendMessagesResponse(outcome=outcome)

    def _outcome(self, index: int, request: Any, context: Any) -> Message:
        self._note(request, context)
        script = self._scripts["SendMessage"]
        answer = script.popleft() if script else send_pb2.SendMessageResponse()
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Refusal):
            return send_stream_pb2.ItemOutcome(index=index, error=answer.of_item())
        return send_stream_pb2.ItemOutcome(index=index, result=answer.result)

    def SendMessageStream(self, request_iterator, context):  # noqa: N802
        return self._answer_stream("SendMessageStream", request_iterator, context)

    def UploadBlob(self, request_iterator, context):  # noqa: N802
        return self._answer_stream("UploadBlob", request_iterator, context)

    def RenderMessage(self, request, context):  # noqa: N802
        self._note(request, context)
        for frame in self._scripts["RenderMessage"].popleft():
            if isinstance(frame, Refusal):
                frame.abort(context)
            yield frame

    def GetDelivery(self, request, context):  # noqa: N802
        return self._answer("GetDelivery", request, context)

    def ListDeliveries(self, request, context):  # noqa: N802
        return self._answer("ListDeliveries", request, context)

    def CancelDelivery(self, request, context):  # noqa: N802
        return self._answer("CancelDelivery", request, context)

    def RescheduleDelivery(self, request, context):  # noqa: N802
        return self._answer("RescheduleDelivery", request, context)

    def RetryDelivery(self, request, context):  # noqa: N802
        return self._answer("RetryDelivery", request, context)

    def TestConnection(self, request, context):  # noqa: N802
        return self._answer("TestConnection", request, context)

    def GetStats(self, request, context):  # noqa: N802
        return self._answer("GetStats", request, context)

    def GetServerInfo(self, request, context):  # noqa: N802
        return self._answer("GetServerInfo", request, context)

    def _note(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.times.append(context.time_remaining())
        if not context.add_callback(self.ended.set):
            self.ended.set()
        self.asked.set()

    def _answer_stream(self, method: str, frames: Any, context: Any) -> Message:
        stream = Stream()
        self._note(stream, context)
        script = self._scripts[method]
        if script and isinstance(script[0], Early):
            early = script.popleft()
            for frame in islice(frames, early.frames):
                stream.take(frame)
            script.appendleft(early.answer)
        else:
            for frame in frames:
                stream.take(frame)
        return self._scripted(method, stream, context)

    def _answer(self, method: str, request: Any, context: Any) -> Message:
        self._note(request, context)
        return self._scripted(method, request, context)

    def _scripted(self, method: str, request: Any, context: Any) -> Message:
        script = self._scripts[method]
        answer = script.popleft() if script else _RESPONSES[method]()
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Refusal):
            answer.abort(context)
        return answer

    def check_health(self, name: bytes, context: Any) -> bytes:
        """grpc.health.v1, as bytes."""
        self.metadata.append(dict(context.invocation_metadata()))
        status = self.health.get(name[2:].decode())
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes((0x08, status))


@contextmanager
def serving(target: str = "127.0.0.1:0") -> Iterator[FakeService]:
    """A service that listens for the length of a ``with`` block."""
    service = FakeService()
    health = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health",
        {"Check": grpc.unary_unary_rpc_method_handler(service.check_health)},
    )
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, options=(("grpc.so_reuseport", 0),))
        add_DeliveryServiceServicer_to_server(service, server)
        server.add_generic_rpc_handlers((health,))
        port = server.add_insecure_port(target)
        service.target = target if target.startswith("unix:") else f"127.0.0.1:{port}"
        server.start()
        try:
            yield service
        finally:
            service.stopping.set()
            server.stop(None).wait(PATIENCE)
