"""What is known of octets that were written when a TLS link breaks in between."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.smtp.timeouts import Wait
from postroom_server.smtp.wire import WaitEnded, Wire

from tests.support import certificates

PATIENCE = 10.0
SMALL = 8192
"""Octets of the sockets' buffers, where the system allows so few."""
RECORD = 16 * 1024


@contextlib.contextmanager
def link(authority: str) -> Iterator[tuple[Wire, ssl.SSLSocket]]:
    """A wire with TLS over narrow buffers, and the relay's end of it."""
    with ThreadPoolExecutor(1) as threads, socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = socket.socket()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        ours.connect(listener.getsockname())
        wire = Wire(ours)
        raw, _ = listener.accept()
        raw.settimeout(PATIENCE)
        relay = threads.submit(certificates.good().wrap_socket, raw, server_side=True)
        context = ssl.create_default_context(cafile=authority)
        wire.start_tls(context, "127.0.0.1", Wait(PATIENCE))
        with relay.result(PATIENCE) as theirs:
            try:
                yield wire, theirs
            finally:
                wire.close()


def read_to_end(relay: ssl.SSLSocket) -> int:
    octets = 0
    with contextlib.suppress(OSError):
        while some := relay.recv(RECORD):
            octets += len(some)
    return octets


def test_a_relay_never_has_more_than_counts_as_written():
    with certificates.authority_file() as authority, link(authority) as (wire, relay):
        with pytest.raises(WaitEnded):
            # Small mails that leave together; the relay does not read.
            wire.write([b"m" * 1000] * 64, Wait(0.2), None)
        wire.abort()

        assert 0 < read_to_end(relay) <= wire.octets_written
