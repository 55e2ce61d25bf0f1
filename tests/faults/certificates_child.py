"""A port whose certificate changes all the time, under a flood of connections.

    python certificates_child.py FOLDER SECONDS

Prints "alive", and how often the files were written, if it lives so long.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import trustme
from postroom_server.domain.clock import SystemClock
from postroom_server.rpc.certificates import ServerCertificates
from postroom_server.rpc.settings import TlsSettings

AT_ONCE = 20


def flood(port: int, over: threading.Event) -> None:
    """Each connection makes gRPC ask for the certificate and begin a handshake."""
    while not over.is_set():
        with ExitStack() as stack:
            for _ in range(AT_ONCE):
                sock = stack.enter_context(socket.socket())
                sock.settimeout(5)
                sock.connect(("127.0.0.1", port))


def main(folder: Path, seconds: float) -> None:
    authority = trustme.CA()
    cert, key = folder / "cert.pem", folder / "key.pem"
    pairs = [authority.issue_cert("127.0.0.1") for _ in range(2)]

    def renew(turn: int) -> None:
        key.write_bytes(pairs[turn % 2].private_key_pem.bytes())
        cert.write_bytes(b"".join(p.bytes() for p in pairs[turn % 2].cert_chain_pems))

    renew(0)
    tls = TlsSettings(cert_file=str(cert), key_file=str(key))
    certificates = ServerCertificates(tls, SystemClock())
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", certificates.credentials())
    server.start()
    over = threading.Event()
    floods = [
        threading.Thread(target=flood, args=(port, over), name=f"flood-{number}")
        for number in range(3)
    ]
    for one in floods:
        one.start()
    ends_at = time.monotonic() + seconds
    turns = 0
    while time.monotonic() < ends_at:
        turns += 1
        renew(turns)
        over.wait(0.002)
    over.set()
    for one in floods:
        one.join()
    server.stop(0).wait()
    sys.stdout.write(f"alive after {turns}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
