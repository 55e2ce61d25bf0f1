"""What a session costs that waits in the pool: memory, and time to open it.

The sessions alone, with STARTTLS and without, in a process that does nothing else,
ours and smtplib's;
`benchmarks.growth` has them in a service, with the threads that delivered over them.

    python -m benchmarks.idle [--sessions 500]
"""

from __future__ import annotations

import argparse
import gc
import itertools
import multiprocessing
import smtplib
import ssl
import time
from collections.abc import Callable

import psutil
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import Encryption, RelaySettings

from tests.support.counting_process import sink

LINKS = {None: "plain", 0: "TLS, no tickets", 2: "TLS, two tickets"}
"""Each ticket that a relay gives us is kept, with its certificate (RFC 8446 §4.6.1)."""
FIRST = 20
"""Opened before: what a process has once is not counted."""


def resident() -> float:
    """KiB."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1024


def ours(port: int, *, tls: bool) -> Callable[[], object]:
    """Opens a session of our pool."""
    relay = RelaySettings(
        id="main",
        host="127.0.0.1",
        port=port,
        encryption=Encryption.TLS if tls else Encryption.NONE,
        tls_verify=False,
    )
    return lambda: open_session(relay)


def theirs(port: int, *, tls: bool) -> Callable[[], object]:
    """Opens a connection of smtplib; all have one TLS context."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def connect() -> smtplib.SMTP:
        relay = smtplib.SMTP("127.0.0.1", port)
        if tls:
            relay.starttls(context=context)
        relay.ehlo()
        return relay

    return connect


def opened(way: str, port: int, tls: bool, count: int) -> tuple[float, float]:  # noqa: FBT001  a pool gives it on
    """KiB of each session, and milliseconds to open it."""
    connect = WAYS[way](port, tls=tls)
    kept = [connect() for _ in range(FIRST)]
    before, began = resident(), time.monotonic()
    kept += [connect() for _ in range(count)]
    took = time.monotonic() - began
    return (resident() - before) / count, took / count * 1e3


WAYS = {"ours": ours, "smtplib": theirs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    count = parser.parse_args().sessions
    context = multiprocessing.get_context("spawn")
    for way, tickets in itertools.product(WAYS, LINKS):
        with sink(tickets=tickets) as relay, context.Pool(1) as process:
            asked = (way, relay.port, tickets is not None, count)
            each, took = process.apply(opened, asked)
        words = LINKS[tickets]
        print(f"{way:8} {words:18} {each:6.1f} KiB each, {took:5.2f} ms to open")


if __name__ == "__main__":
    main()
