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


class Files:
    """The two files, and two certificates to write into them in turn."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self._pairs = [authority.issue_cert("127.0.0.1") for _ in range(2)]
        self._cert, self._key = folder / "cert.pem", folder / "key.pem"
        self.turns = 0
        self.renew()

    @property
    def settings(self) -> TlsSettings:
        return TlsSettings(cert_file=str(self._cert), key_file=str(self._key))

    def renew(self) -> None:
        self.turns += 1
        pair = self._pairs[self.turns % 2]
        self._key.write_bytes(pair.private_key_pem.bytes())
        self._cert.write_bytes(b"".join(p.bytes() for p in pair.cert_chain_pems))


def main(folder: Path, seconds: float) -> None:
    files = Files(folder)
    certificates = ServerCertificates(files.settings, SystemClock())
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", certificates.credentials())
    server.start()
    over = threading.Event()
    floods = [threading.Thread(target=flood, args=(port, over)) for _ in range(3)]
    for one in floods:
        one.start()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        files.renew()
        over.wait(0.002)
    over.set()
    for one in floods:
        one.join()
    server.stop(0).wait()
    sys.stdout.write(f"alive after {files.turns}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
