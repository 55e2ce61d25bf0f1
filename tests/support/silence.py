"""Ports where nobody answers: one that is silent, and one where nobody listens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field


@dataclass
class SilentRelay:
    port: int
    connected: threading.Event = field(default_factory=threading.Event)


@contextmanager
def nobody_listens() -> Iterator[int]:
    """A port that refuses connections, and that nobody else is given meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@contextmanager
def silent_relay() -> Iterator[SilentRelay]:
    """Its port, and an event that is set when someone has connected."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        relay = SilentRelay(listener.getsockname()[1])
        links: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                links.append(link)
                relay.connected.set()

        thread = threading.Thread(target=accept, name="silent-relay", daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for link in links:
                link.close()
