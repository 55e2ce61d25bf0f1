"""How the cost of a mail grows with its attachment, from 1 KB to 100 MB.

Service, relay and caller are processes of their own; mails go one after the other, each
with an attachment that none had before.  Up to 1 MB it is within the request, beyond in
pieces.  `cpu` is the service's processor time, `extra` its peak of memory above what it
held before the first of that size.

    python -m benchmarks.sizes [--secs 4]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from postroom.v1 import message_pb2 as message_pb
from postroom_server.domain.limits import MB

from tests.gates.large import PATIENCE, Letter, Post, post
from tests.support.service import a_request
from tests.support.streams import mail_frames

KB = 1024
WITHIN = (1 * KB, 10 * KB, 100 * KB, 256 * KB, MB)
"""Octets of attachments that are within the request."""
IN_PIECES = ((1,), (10,), (25,) * 4)
"""MB of each attachment of a mail that comes in pieces."""


def within(service: Post, size: int) -> None:
    """Send a mail with a fresh attachment of *size* octets in its request."""
    request = a_request()
    request.message.attachments.append(
        message_pb.Attachment(
            filename="a.bin",
            content_type="application/octet-stream",
            data=os.urandom(size),
        )
    )
    assert service.stub.SendMessage(request, timeout=PATIENCE).result.is_final
    service.relay.forget()


def in_pieces(service: Post, sizes: tuple[int, ...]) -> None:
    """Send a mail whose attachments come in pieces."""
    letter = Letter(files=sizes)
    frames = mail_frames(letter.request(), letter.parts())
    answer = service.stub.SendMessageStream(frames, timeout=PATIENCE)
    assert answer.result.is_final
    service.relay.forget()


def measured(service: Post, name: str, send: Callable[[], None], secs: float) -> None:
    """Print what mails cost that *send* sends, for *secs* seconds."""
    process = psutil.Process(service.service.process.pid)
    send()
    service.forget_peak()
    before, held = process.cpu_times(), service.status("VmRSS")
    took: list[float] = []
    end = time.perf_counter() + secs
    while len(took) < 2 or time.perf_counter() < end:
        began = time.perf_counter()
        send()
        took.append(time.perf_counter() - began)
    after = process.cpu_times()
    user = (after.user - before.user) / len(took) * 1e3
    system = (after.system - before.system) / len(took) * 1e3
    extra = (service.status("VmHWM") - held) / MB
    print(
        f"{name:22} p50 {statistics.median(took) * 1e3:8.1f} ms"
        f"   cpu {user:7.1f} + {system:6.1f} ms   extra {extra:5.1f} MB"
        f"   {len(took)} mails",
        flush=True,
    )


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--secs", type=float, default=4.0)
    secs = parser.parse_args().secs
    with tempfile.TemporaryDirectory() as folder, post(Path(folder)) as service:
        service.small_ones(50)
        service.relay.forget()
        for size in WITHIN:
            name = f"{size // KB} KB in the request"
            measured(service, name, lambda size=size: within(service, size), secs)
        for sizes in IN_PIECES:
            name = f"{sum(sizes)} MB in pieces"
            measured(service, name, lambda s=sizes: in_pieces(service, s), secs)


if __name__ == "__main__":
    main()
