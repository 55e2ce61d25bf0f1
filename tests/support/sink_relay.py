"""A relay in a process of its own that keeps of each mail its size and SHA-256.

For mail of hundreds of megabytes: it offers CHUNKING (RFC 3030) alone, so that it can
read octets in blocks and look at none of them.  It prints its port, then one line for
each mail.

    with sink_relay() as relay:
        relay.port
        relay.mail()        # (size, sha256), in the order of their ends
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 256 * 1024
PATIENCE = 60.0


class Dialogue(socketserver.StreamRequestHandler):
    """One connection."""

    # EHLO, MAIL and RCPT may come in one write.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            self.talk()

    def talk(self) -> None:
        digest, size = hashlib.sha256(), 0
        self.say(b"220 sink.example")
        for line in self.rfile:
            verb = line.split()[0].upper()
            if verb == b"EHLO":
                self.say(b"250-sink.example", b"250-PIPELINING", b"250 CHUNKING")
            elif verb == b"BDAT":
                size += self.take(int(line.split()[1]), digest)
                if line.split()[-1].upper() == b"LAST":
                    tell(f"{size} {digest.hexdigest()}")
                    digest, size = hashlib.sha256(), 0
                self.say(b"250 2.0.0 ok")
            elif verb == b"QUIT":
                self.say(b"221 2.0.0 bye")
                return
            else:
                self.say(b"502 5.5.1 no" if verb == b"DATA" else b"250 2.0.0 ok")

    def take(self, left: int, digest: hashlib._Hash) -> int:
        size = left
        while left:
            block = self.rfile.read(min(left, BLOCK))
            if not block:
                raise ConnectionError("the mail was broken off")
            digest.update(block)
            left -= len(block)
        return size

    def say(self, *lines: bytes) -> None:
        self.wfile.write(b"".join(line + b"\r\n" for line in lines))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class SinkRelay:
    """The process, seen from the test."""

    def __init__(self, out: BinaryIO) -> None:
        self.port = int(out.readline())
        self._taken: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # The pipe must not fill up, or the relay would stop.
        self.reader = threading.Thread(
            target=lambda: [self._taken.put(line) for line in out],
            name="sink-relay",
            daemon=True,
        )
        self.reader.start()

    def mail(self) -> tuple[int, str]:
        """Size and SHA-256 of the next mail that it took, waited for."""
        size, sha256 = self._taken.get(timeout=PATIENCE).decode().split()
        return int(size), sha256

    def until_larger(self, size: int) -> None:
        """Wait until it has taken a mail of more than *size* octets."""
        while self.mail()[0] <= size:
            pass

    def forget(self) -> None:
        """Begin anew with the mails that come from now on."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._taken.get_nowait()


@contextlib.contextmanager
def sink_relay() -> Iterator[SinkRelay]:
    """A relay that runs for the length of a ``with`` block."""
    command = [sys.executable, "-m", "tests.support.sink_relay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        relay = SinkRelay(process.stdout)
        try:
            yield relay
        finally:
            process.kill()
            relay.reader.join(PATIENCE)


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Dialogue) as server:
        tell(str(server.server_address[1]))
        server.serve_forever()
