"""Who keeps the service busy for `contender`: a caller of SendMessage, and of a stream.

Both go by the generated stub, so that they cost as little as a caller can.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from postroom.v1 import delivery_pb2, send_pb2
from postroom.v1 import send_stream_pb2 as many_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

from benchmarks.library import Window

DEADLINE = 60.0
FINE = {
    delivery_pb2.DELIVERY_STATUS_SUCCESS,
    delivery_pb2.DELIVERY_STATUS_QUEUED,
    delivery_pb2.DELIVERY_STATUS_SENDING,
}


class Watch:
    """Notes in *window* what becomes of one caller's mails."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._seen_any = False

    @property
    def is_open(self) -> bool:
        """Whether another mail is to be sent."""
        return time.perf_counter() < self._window.end

    def see(self, result: delivery_pb2.DeliveryResult, began: float) -> None:
        """A mail that *began* then has its *result*.  Raises `RuntimeError`."""
        done, window = time.perf_counter(), self._window
        if result.status not in FINE:
            raise RuntimeError(result.detail or str(result.smtp_error))
        if window.begin <= done < window.end:
            window.took.append(done - began)
        if not self._seen_any:
            window.first.append(done - began)
            self._seen_any = True


def unary(
    stub: DeliveryServiceStub, mail: send_pb2.SendMessageRequest, watch: Watch
) -> None:
    """Send *mail* again and again, one at a time."""
    while watch.is_open:
        began = time.perf_counter()
        watch.see(stub.SendMessage(mail, timeout=DEADLINE).result, began)


def stream(
    stub: DeliveryServiceStub,
    mail: send_pb2.SendMessageRequest,
    watch: Watch,
    most: int,
) -> None:
    """Send *mail* again and again, with at most so many unanswered."""
    item = many_pb2.SendMessagesRequest(request=mail)
    began: list[float] = []
    room = threading.Semaphore(most)

    def items() -> Iterator[many_pb2.SendMessagesRequest]:
        while room.acquire(timeout=DEADLINE) and watch.is_open:
            began.append(time.perf_counter())
            yield item

    for answer in stub.SendMessages(items()):
        if answer.WhichOneof("frame") == "outcome":
            room.release()
            outcome = answer.outcome
            if outcome.WhichOneof("outcome") == "error":
                raise RuntimeError(str(outcome.error))
            watch.see(outcome.result, began[outcome.index])
