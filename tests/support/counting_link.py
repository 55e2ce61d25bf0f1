"""A link to a relay that counts how often a client had to wait for an answer.

with CountingLink(relay.port) as link:
    ... connect to link.port ...
    link.turns          # flights of the client that the relay answered
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

PATIENCE = 10.0


class CountingLink:
    """Passes octets on between one client and the relay on *port*.

    *turns*: how many flights the relay had to answer; *writes*: in how many pieces they
    came.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.turns = 0
        self._lock = threading.Lock()
        self._client_spoke_last = False
        self._threads = [threading.Thread(target=self._accept, name="counting-link")]

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.turns, self._client_spoke_last = 0, False

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        relay = socket.create_connection(("127.0.0.1", self._target), PATIENCE)
        back = threading.Thread(target=self._pump, args=(relay, client, False))
        self._threads.append(back)
        back.start()
        self._pump(client, relay, True)
        back.join(PATIENCE)
        client.close()
        relay.close()

    def _pump(self, source: socket.socket, sink: socket.socket, ours: bool) -> None:
        source.settimeout(PATIENCE)
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                with self._lock:
                    self.turns += self._client_spoke_last and not ours
                    self._client_spoke_last = ours
                sink.sendall(octets)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
