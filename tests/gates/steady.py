"""What the service holds of memory while mail of mixed sizes goes through it.

Service, relay and callers are processes of their own, so that its memory is its own.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.v1.send_pb2 import SendMessageRequest
from postroom_server.domain.limits import MB

from tests.support.counting_process import sink
from tests.support.process import daemon, free_port
from tests.support.service import a_request, plain, settings

PATIENCE = 120.0
CALLERS = 8
SIZES = (100, 2_000, 10_000, 50_000, MB)
WEIGHTS = (40, 30, 20, 9.5, 0.5)
EXTRA = 'log = { level = "warning" }'
FILLING, FILLER = 1300, 30_000
"""Mails, and octets of each, that fill what is bounded: the cache of the store has
32 MiB.  What is larger is compressed first.
"""
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS


def of_size(octets: int) -> SendMessageRequest:
    """A mail with so much text."""
    return a_request(
        message={"text_body": "A line like many others.\n" * (octets // 25)}
    )


REQUESTS = list(map(of_size, SIZES))


@dataclass(frozen=True, slots=True)
class Sample:
    """What the service held after so many *mails*: *resident* is in octets."""

    mails: int
    resident: int
    threads: int
    files: int
    rate: float


@dataclass(frozen=True)
class Steady:
    """The service and its callers."""

    process: psutil.Process
    stub: DeliveryServiceStub
    callers: ThreadPoolExecutor

    def send(self, requests: Sequence[SendMessageRequest]) -> None:
        """Each of these must reach the relay."""
        assert set(self.callers.map(self._send, requests)) == {SUCCESS}

    def samples(self, mails: int, every: int) -> Iterator[Sample]:
        """One after *every* so many of sizes by chance, until *mails* were sent."""
        chance = random.Random(1)
        self.send([of_size(FILLER)] * FILLING)
        for sent in range(every, mails + 1, every):
            began = time.monotonic()
            self.send(chance.choices(REQUESTS, WEIGHTS, k=every))
            yield Sample(
                sent,
                self.process.memory_info().rss,
                self.process.num_threads(),
                self.process.num_fds(),
                every / (time.monotonic() - began),
            )

    def _send(self, request: SendMessageRequest) -> int:
        return self.stub.SendMessage(request, timeout=PATIENCE).result.status


def grown(samples: Sequence[Sample]) -> float:
    """By how many octets a mail memory grew: from the second quarter to the last."""
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    more = statistics.median(s.resident for s in after)
    more -= statistics.median(s.resident for s in before)
    mails = statistics.mean(s.mails for s in after)
    return more / (mails - statistics.mean(s.mails for s in before))


@contextlib.contextmanager
def steady(folder: Path) -> Iterator[Steady]:
    """A service in *folder* with a relay in another process."""
    with sink() as relay, ThreadPoolExecutor(CALLERS) as callers:
        keys = plain(relay.port, pool_size=CALLERS)
        config = settings(folder, {"main": keys}, EXTRA)
        with (
            daemon(config, free_port()) as service,
            grpc.insecure_channel(service.target) as channel,
        ):
            process = psutil.Process(service.process.pid)
            yield Steady(process, DeliveryServiceStub(channel), callers)
