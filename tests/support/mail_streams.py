"""A caller of SendMessages that says what it sends, and reads when it wants."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any, Self

from postroom.v1 import error_reason_pb2, send_pb2
from postroom.v1 import send_stream_pb2 as wire

from tests.support.service import CALL, Service, a_request

_END = object()


class MailStream:
    """One stream to *service*; a context manager that cancels what is left of it."""

    def __init__(
        self, service: Service, timeout: float = 4 * CALL, **call: Any
    ) -> None:
        self._frames: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # By hand, since a stub sends no item that is no protobuf.
        send_messages = service.channel.stream_stream(
            "/postroom.v1.DeliveryService/SendMessages",
            request_serializer=bytes,
            response_deserializer=wire.SendMessagesResponse.FromString,
        )
        self.call = send_messages(iter(self._frames.get, _END), timeout=timeout, **call)
        self.windows: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.call.cancel()
        self._frames.put(_END)

    def send(self, key: str = "", /, **fields: Any) -> None:
        """One more item; *fields* are those of `a_request`."""
        self.give(a_request(**fields), key)

    def give(self, request: send_pb2.SendMessageRequest, key: str = "") -> None:
        item = wire.SendMessagesRequest(key=key, request=request)
        self.give_raw(item.SerializeToString())

    def give_raw(self, item: bytes) -> None:
        self._frames.put(item)

    def half_close(self) -> None:
        self._frames.put(_END)

    def frame(self) -> wire.SendMessagesResponse:
        return next(self.call)

    def outcome(self) -> wire.ItemOutcome:
        """The next answer; windows on the way are noted."""
        while True:
            frame = self.frame()
            if frame.WhichOneof("frame") == "outcome":
                return frame.outcome
            self.windows.append(frame.window.max_unanswered)

    def outcomes(self, count: int) -> dict[int, wire.ItemOutcome]:
        """So many answers, by the index of their items."""
        found = [self.outcome() for _ in range(count)]
        by_index = {one.index: one for one in found}
        assert len(by_index) == count, "an item was answered twice"
        return by_index

    def rest(self) -> Iterator[wire.ItemOutcome]:
        """All answers to the end of the stream."""
        for frame in self.call:
            if frame.WhichOneof("frame") == "outcome":
                yield frame.outcome


def error_reason(outcome: wire.ItemOutcome) -> str:
    """The bare word of an item's error; empty where there is none."""
    if not outcome.HasField("error"):
        return ""
    name = error_reason_pb2.ErrorReason.Name(outcome.error.reason)
    return name.removeprefix("ERROR_REASON_")
