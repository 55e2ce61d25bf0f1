"""What it costs to see what happens: unary sends with log and metrics, and without.
With `--secured` the first of them also speaks TLS and wants a token.

Two services run side by side, each a `postroomd` of its own: one logs every event as
JSON and has its metrics read every second, the other logs errors alone.  They take
turns, under the same load over one relay in a process of its own.  Prints mails a
second and the service's processor time per mail of both, and the ratio (the median
over alternating rounds; 1.0: it costs nothing).

    python -m benchmarks.observability [--rounds 30] [--callers 16] [--secured]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
from postroom import Client
from postroom.arguments import SecurityArguments
from postroom_server.config.tokens import digest_of, new_token
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.callers import tls_files
from tests.support.process import daemon, free_port
from tests.support.service import plain, settings

TEXT = "Your order has shipped, and arrives on Thursday.\n" * 60
SCRAPE = 1.0
WARM_UP = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """Mails a second, and milliseconds of processor time that each cost."""

    rate: float
    cost: float


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two services."""

    client: Client
    process: psutil.Process

    def measured(self, callers: int, seconds: float) -> Round:
        """One round of load."""
        before = self._spent()
        began = time.monotonic()
        sent = self._load(callers, began + seconds)
        took = time.monotonic() - began
        return Round(sent / took, (self._spent() - before) / sent * 1e3)

    def _spent(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def _load(self, callers: int, until: float) -> int:
        def send(_number: int) -> int:
            sent = 0
            while time.monotonic() < until:
                result = self.client.send(
                    from_="me@example.com",
                    to="ada@example.com",
                    subject="Your order",
                    text=TEXT,
                )
                assert result.delivered, result
                sent += 1
            return sent

        with ThreadPoolExecutor(callers) as threads:
            return sum(threads.map(send, range(callers)))


def relay(told: Connection) -> None:
    """A relay, until the other end of *told* says so."""
    with SandboxRelay() as sandbox:
        told.send(sandbox.port)
        told.recv()


@contextlib.contextmanager
def relaying() -> Iterator[int]:
    """The port of a relay in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=relay, args=(theirs,))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join(10)


@contextlib.contextmanager
def served(
    folder: Path, relay_port: int, *, secured: bool = False, **environment: str
) -> Iterator[Side]:
    """A service in *folder*, with a client."""
    folder.mkdir()
    extra, given = security(folder) if secured else ("", SecurityArguments())
    config = settings(folder, {"main": plain(relay_port, pool_size=16)}, extra)
    ca_file = folder / "authority.pem" if secured else None
    with (
        daemon(config, free_port(), ca_file, **environment) as running,
        Client(running.target, **given) as client,
    ):
        yield Side(client, psutil.Process(running.process.pid))


def security(folder: Path) -> tuple[str, SecurityArguments]:
    """TLS and a token: for the configuration, and for the client."""
    files, token = tls_files(folder), new_token()
    text = (
        f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
        f'[credentials.web]\ntoken_sha256 = ["{digest_of(token)}"]\n'
    )
    return text, SecurityArguments(ca_file=files.authority, token=token)


@contextlib.contextmanager
def scraped(port: int) -> Iterator[None]:
    """Metrics are read every `SCRAPE` seconds."""
    ended = threading.Event()

    def read() -> None:
        while not ended.wait(SCRAPE):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
                page.read()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--secured", action="store_true")
    asked = parser.parse_args()
    port = free_port()
    seeing = {
        "POSTROOM_LOG__LEVEL": "info",
        "POSTROOM_LOG__FORMAT": "json",
        "POSTROOM_LOG__MASK_ADDRESSES": "true",
        "POSTROOM_METRICS__LISTEN": f"127.0.0.1:{port}",
    }
    with tempfile.TemporaryDirectory() as name, relaying() as relay_port:
        folder = Path(name)
        with (
            served(folder / "on", relay_port, secured=asked.secured, **seeing) as on,
            served(folder / "off", relay_port, POSTROOM_LOG__LEVEL="error") as off,
            scraped(port),
        ):
            report(on, off, asked)


def report(on: Side, off: Side, asked: argparse.Namespace) -> None:
    """Measure both in turns, and print what came of it."""
    for side in (on, off):
        side.measured(asked.callers, WARM_UP)
    rows = []
    for number in range(asked.rounds):
        order = (on, off) if number % 2 else (off, on)
        found = {id(s): s.measured(asked.callers, asked.seconds) for s in order}
        rows.append((found[id(on)], found[id(off)]))
    print(f"{'':22}{'on':>9}{'off':>9}{'ratio':>8}")
    for title, field in (("mails a second", "rate"), ("ms of CPU a mail", "cost")):
        pairs = [(getattr(a, field), getattr(b, field)) for a, b in rows]
        ratio = statistics.median(a / b if field == "rate" else b / a for a, b in pairs)
        first, second = (statistics.median(c) for c in zip(*pairs, strict=True))
        print(f"{title:22}{first:9.2f}{second:9.2f}{ratio:8.3f}")


if __name__ == "__main__":
    main()
