"""A relay in a process of its own that takes everything and keeps nothing.

    with sink(rtt=20) as relay:
        relay.port
        relay.counts()

Its answers come *rtt* milliseconds after what they answer; with
*tickets* it offers STARTTLS, and as many session tickets.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tests.support.certificates import good
from tests.support.counting_relay import BOTH, CountingRelay, Counts

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Sink:
    """The process, seen from outside."""

    port: int
    _asks: IO[str]
    _hears: IO[str]

    def counts(self) -> Counts:
        """What came so far."""
        return self._ask("counts")

    def hold(self) -> None:
        """Answer no mail until `go_on`."""
        self._ask("hold")

    def go_on(self) -> None:
        """Answer them again."""
        self._ask("go on")

    def _ask(self, word: str) -> Counts:
        self._asks.write(f"{word}\n")
        self._asks.flush()
        return Counts(**json.loads(self._hears.readline()))


@contextlib.contextmanager
def sink(rtt: float = 0.0, tickets: int | None = None) -> Iterator[Sink]:
    """A relay that runs for the length of a ``with`` block."""
    command = [
        sys.executable,
        "-m",
        "tests.support.counting_process",
        "--rtt",
        str(rtt),
    ]
    command += [] if tickets is None else ["--tickets", str(tickets)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield Sink(port, process.stdin, process.stdout)
        finally:
            process.kill()


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt", type=float, default=0.0, help="milliseconds")
    parser.add_argument("--tickets", type=int, help="with STARTTLS")
    asked = parser.parse_args()
    tls = None if asked.tickets is None else good()
    if tls:
        tls.num_tickets = asked.tickets
    relay = CountingRelay(BOTH, asked.rtt / 1e3, tls)
    relay.__enter__()
    tell(str(relay.port))
    for line in sys.stdin:
        word = line.strip()
        if word == "hold":
            relay.goes_on.clear()
        elif word == "go on":
            relay.goes_on.set()
        tell(json.dumps(asdict(relay.counts())))


if __name__ == "__main__":
    main()
