"""A relay that takes everything and keeps nothing, as fast as Python can.

Prints its port.  With `--rtt` its answers come so many milliseconds later, as if it
were far away; a flight of commands is answered at once.

    python benchmarks/sink.py [--rtt 20]
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import threading
import time

OFFER = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n"
ANSWERS = {b"EHLO": OFFER, b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
OK = b"250 2.0.0 ok\r\n"
BLOCK = 256 * 1024


class Dialogue:
    """One connection; *delay* in seconds."""

    def __init__(self, sock: socket.socket, delay: float) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._delay = delay
        self._unread = b""
        self._answers: list[bytes] = [b"220 sink.example\r\n"]

    def run(self) -> None:
        """Talk until the client leaves."""
        with contextlib.suppress(OSError, EOFError), self._socket:
            verb = b""
            while verb != b"QUIT":
                line = self._line()
                verb = line[:4].upper()
                if verb == b"BDAT":
                    self._skip(int(line.split()[1]))
                self._answers.append(ANSWERS.get(verb, OK))
                if verb == b"DATA":
                    self._read_to_dot()
                    self._answers.append(OK)
            self._flush()

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\n")) < 0:
            self._read()
        line, self._unread = self._unread[:end], self._unread[end + 1 :]
        return line

    def _skip(self, octets: int) -> None:
        octets -= len(self._unread)
        while octets > 0:
            self._unread = b""
            self._read()
            octets -= len(self._unread)
        self._unread = self._unread[octets:] if octets else b""

    def _read_to_dot(self) -> None:
        while (end := self._unread.find(b"\r\n.\r\n")) < 0:
            self._unread = self._unread[-4:]
            self._read()
        self._unread = self._unread[end + 5 :]

    def _read(self) -> None:
        """Read more; what is owed goes first, as the client may wait for it."""
        self._flush()
        octets = self._socket.recv(BLOCK)
        if not octets:
            raise EOFError
        self._unread += octets

    def _flush(self) -> None:
        if self._answers:
            if self._delay:
                time.sleep(self._delay)
            self._socket.sendall(b"".join(self._answers))
            self._answers.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt", type=float, default=0.0, help="milliseconds")
    delay = parser.parse_args().rtt / 1e3
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            dialogue = Dialogue(sock, delay)
            threading.Thread(target=dialogue.run, daemon=True).start()


if __name__ == "__main__":
    main()
