"""A service under load, and what a mail cost it: what `growth` stands on."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Any

import grpc
import psutil
from postroom.v1 import delivery_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.v1.send_pb2 import SendMessageRequest
from postroom.v1.send_stream_pb2 import SendMessagesRequest

from tests.support.process import daemon, free_port
from tests.support.service import settings

DEADLINE = 120.0
SUCCESS = delivery_pb2.DELIVERY_STATUS_SUCCESS
WARM_UP = 0.4
CONNECTIONS, EACH = 4, 64
"""How many callers have one of these: the service takes 128 calls on each."""
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
Send = Callable[[DeliveryServiceStub, int], object]
"""Sends a mail; the number tells which of all."""
QUIET = """
log = { level = "error" }
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Mails a second, and what each took of the service's processor, in ms."""

    rate: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Served:
    """A service, its process, and stubs with a connection each."""

    process: psutil.Process
    stubs: Sequence[DeliveryServiceStub]

    @property
    def resident(self) -> float:
        """KiB."""
        return float(self.process.memory_info().rss) / 1024

    @property
    def peak(self) -> float:
        """KiB that were resident at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1])

    def spent(self) -> float:
        """Seconds of processor time."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def unary(self, send: Send, callers: int, seconds: float) -> Cost:
        """Callers side by side who *send* again and again."""
        numbers, places = count(), count()

        def call(until: float) -> int:
            sent, stub = 0, self.stubs[next(places) % -(-callers // EACH)]
            while time.monotonic() < until or not sent:
                send(stub, next(numbers))
                sent += 1
            return sent

        in_threads(call, callers, WARM_UP)
        return self._cost(lambda: in_threads(call, callers, seconds))

    def stream(
        self, mails: Sequence[SendMessageRequest], unanswered: int, seconds: float
    ) -> Cost:
        """One stream of *mails* in turn with at most so many unanswered."""
        self._stream(mails, unanswered, WARM_UP)
        return self._cost(lambda: self._stream(mails, unanswered, seconds))

    def _stream(
        self, mails: Sequence[SendMessageRequest], unanswered: int, seconds: float
    ) -> int:
        room, until, sent = threading.Semaphore(unanswered), time.monotonic(), 0
        until += seconds

        def items() -> Iterator[SendMessagesRequest]:
            for mail in cycle([SendMessagesRequest(request=mail) for mail in mails]):
                if not room.acquire(timeout=DEADLINE) or time.monotonic() > until:
                    return
                yield mail

        for answer in self.stubs[0].SendMessages(items(), timeout=DEADLINE):
            if answer.HasField("outcome"):
                room.release()
                delivered(answer.outcome.result)
                sent += 1
        return sent

    def _cost(self, load: Callable[[], int]) -> Cost:
        before, began = self.spent(), time.monotonic()
        sent = load()
        took = time.monotonic() - began
        return Cost(sent / took, (self.spent() - before) / sent * 1e3)


def delivered(result: delivery_pb2.DeliveryResult) -> None:
    """Raises `RuntimeError` where the mail was not."""
    if result.status != SUCCESS:
        raise RuntimeError(str(result))


def in_threads(call: Callable[[float], int], threads: int, seconds: float) -> int:
    """What all *call*s return together; each gets the moment when to end.

    Raises the first error of any.
    """
    until, sent, errors = time.monotonic() + seconds, [0] * threads, []

    def run(place: int) -> None:
        try:
            sent[place] = call(until)
        except (grpc.RpcError, RuntimeError) as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for error in errors:
        raise error
    return sum(sent)


@contextlib.contextmanager
def serving(
    relays: Mapping[str, Mapping[str, Any]], extra: str = QUIET
) -> Iterator[Served]:
    """A service with *relays*, of which one is "main"."""
    with tempfile.TemporaryDirectory() as folder:
        config = settings(Path(folder), relays, extra)
        with (
            daemon(config, free_port()) as running,
            ExitStack() as stack,
        ):
            made = [
                grpc.insecure_channel(running.target, options=OWN_CONNECTION)
                for _ in range(CONNECTIONS)
            ]
            channels = [stack.enter_context(channel) for channel in made]
            process = psutil.Process(running.process.pid)
            yield Served(process, [DeliveryServiceStub(one) for one in channels])
