"""What a session costs that waits in the pool: memory, and time to open it.

The sessions alone, with STARTTLS and without, in a process that does nothing else;
`benchmarks.growth` has them in a service, with the threads that delivered over them.

    python -m benchmarks.idle [--sessions 500]
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import time
from multiprocessing.pool import Pool

import psutil
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import Encryption, RelaySettings

from benchmarks.sink import sink

FIRST = 20
"""Opened before: what a process has once is not counted."""


def resident() -> float:
    """KiB."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1024


def opened(port: int, encryption: Encryption, count: int) -> tuple[float, float]:
    """KiB of each session, and milliseconds to open it."""
    relay = RelaySettings(
        id="main",
        host="127.0.0.1",
        port=port,
        encryption=encryption,
        tls_verify=False,
    )
    kept = [open_session(relay) for _ in range(FIRST)]
    before, began = resident(), time.monotonic()
    kept += [open_session(relay) for _ in range(count)]
    took = time.monotonic() - began
    return (resident() - before) / count, took / count * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    count = parser.parse_args().sessions
    context = multiprocessing.get_context("spawn")
    for encryption in (Encryption.NONE, Encryption.TLS):
        with sink(tls=encryption is Encryption.TLS) as relay:
            processes: Pool = context.Pool(1)
            with processes:
                each, took = processes.apply(opened, (relay.port, encryption, count))
        print(f"{encryption.name:6} {each:6.1f} KiB each, {took:.2f} ms to open")


if __name__ == "__main__":
    main()
