"""The largest mails that are allowed, and what sending them costs the service.

Service, relay and caller are processes of their own, so that what is measured of the
first is its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom_server.domain.limits import MB

from tests.support.process import Daemon, daemon, free_port
from tests.support.service import a_request, plain, settings
from tests.support.sink_relay import SinkRelay, sink_relay
from tests.support.streams import CHUNK, mail_frames

LINE = b"The quick brown fox jumps over the lazy dog, and it runs on and on.\n"
PATIENCE = 600.0


@dataclass(frozen=True)
class Post:
    """The service under test, its relay, and a stub to call it."""

    service: Daemon
    relay: SinkRelay
    stub: DeliveryServiceStub

    def send(self, letter: Letter):
        """The result of *letter*, and what the relay took: (size, SHA-256)."""
        frames = mail_frames(letter.request(), letter.parts())
        answer = self.stub.SendMessageStream(frames, timeout=PATIENCE)
        return answer.result, self.relay.mail()

    def extra_memory(self, letter: Letter) -> tuple[int, float]:
        """What *letter* adds to the service's memory at its peak, and its seconds."""
        self.forget_peak()
        before = self.status("VmRSS")
        began = time.monotonic()
        result, _ = self.send(letter)
        assert result.is_final
        return self.status("VmHWM") - before, time.monotonic() - began

    def extra_memory_of_many(self, letter: Letter, callers: int) -> int:
        """The same for as many callers at once, with a mail each."""
        self.forget_peak()
        before = self.status("VmRSS")
        with ThreadPoolExecutor(callers) as threads:
            sends = [threads.submit(self.send, letter) for _ in range(callers)]
            assert all(send.result(PATIENCE)[0].is_final for send in sends)
        return self.status("VmHWM") - before

    def small_ones(self, count: int) -> list[float]:
        """The seconds that each of *count* small mails took, one after the other."""
        took = []
        request = a_request()
        for _ in range(count):
            began = time.monotonic()
            self.stub.SendMessage(request, timeout=PATIENCE)
            took.append(time.monotonic() - began)
        return took

    def small_ones_beside(self, count: int, letter: Letter) -> list[float]:
        """The same while another process sends *letter* again and again."""
        command = [sys.executable, "-m", "tests.gates.large", self.service.target]
        sizes = (letter.text, letter.html, *letter.files)
        with subprocess.Popen([*command, *map(str, sizes)]) as sender:
            try:
                self.relay.until_larger(MB)
                return self.small_ones(count)
            finally:
                sender.kill()

    def status(self, field: str) -> int:
        """A size that the system tells of the service, in octets: VmRSS, VmHWM."""
        status = Path(f"/proc/{self.service.process.pid}/status").read_text()
        return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) * 1024

    def forget_peak(self) -> None:
        """Let VmHWM begin anew at what is held now."""
        clear = Path(f"/proc/{self.service.process.pid}/clear_refs")
        clear.write_text("5")


@dataclass(frozen=True)
class Letter:
    """Sizes in MB: of both bodies, and of each file."""

    text: int = 0
    html: int = 0
    files: tuple[int, ...] = ()

    def request(self, **fields: object) -> send_pb.SendMessageRequest:
        """The header of its stream."""
        request = a_request(**fields)
        message = request.message
        if self.text:
            message.text_blob = "parts/text"
        if self.html:
            message.html_blob = "parts/html"
        for place in range(len(self.files)):
            message.attachments.append(
                message_pb.Attachment(
                    filename=f"{place}.bin",
                    content_type="application/octet-stream",
                    blob=f"parts/file{place}",
                )
            )
        return request

    def parts(self) -> Mapping[str, Iterator[bytes]]:
        """Its contents; no two files are the same."""
        sizes = {"parts/text": self.text, "parts/html": self.html}
        parts = {name: lines(size * MB) for name, size in sizes.items() if size}
        for place, size in enumerate(self.files):
            parts[f"parts/file{place}"] = noise(size * MB, place)
        return parts


def lines(size: int) -> Iterator[bytes]:
    """*size* octets of text in chunks."""
    block = LINE * (CHUNK // len(LINE))
    while size > 0:
        yield block[:size]
        size -= len(block)


def noise(size: int, seed: int) -> Iterator[bytes]:
    """*size* octets in chunks, other ones for each *seed*."""
    block = hashlib.shake_256(bytes([seed])).digest(CHUNK)
    while size > 0:
        yield block[:size]
        size -= len(block)


@contextlib.contextmanager
def post(folder: Path) -> Iterator[Post]:
    """A service in *folder* with a relay that only counts."""
    with sink_relay() as relay:
        relays = {"main": plain(relay.port, pool_size=8)}
        config = settings(folder, relays, 'log = { level = "warning" }')
        with (
            daemon(config, free_port()) as service,
            grpc.insecure_channel(service.target) as channel,
        ):
            yield Post(service, relay, DeliveryServiceStub(channel))


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99) - 1]


def send_on(target: str, letter: Letter) -> None:
    """Send *letter* for as long as the process lives."""
    with grpc.insecure_channel(target) as channel:
        stub = DeliveryServiceStub(channel)
        while True:
            frames = mail_frames(letter.request(), letter.parts())
            stub.SendMessageStream(frames, timeout=PATIENCE)


if __name__ == "__main__":
    sizes = [int(size) for size in sys.argv[2:]]
    send_on(sys.argv[1], Letter(sizes[0], sizes[1], tuple(sizes[2:])))
