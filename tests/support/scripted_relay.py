"""A relay on loopback that plays what the test wrote, and fails on anything else.

    def script(peer):
        peer.play('''
            S: 220 relay.example
            C: EHLO .+
            S: 250-relay.example
            S: 250 PIPELINING
        ''')

    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())

Each connection plays the next script, the last one again and again.  What a script did
not expect is raised when the ``with`` block ends.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import textwrap
import threading
from collections.abc import Callable
from typing import Any, Self

from postroom_server.smtp.settings import Encryption, RelaySettings
from postroom_server.smtp.timeouts import Timeouts

PATIENCE = 10.0
"""Seconds after which a test that hangs fails instead."""

Script = Callable[["Peer"], None]
QUICK = Timeouts(
    **dict.fromkeys(
        ("dns", "connect", "tls", "greeting", "command", "data", "block", "clean_up"),
        5.0,
    ),
    final=10.0,
    min_rate=500_000.0,
)
"""Time-outs for tests in which none of them should run out: 5 s for each step."""


class Peer:
    """The relay's side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        # Answers written apart would else wait for the client's ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.heard: list[bytes] = []
        self._buffer = b""

    def play(self, transcript: str) -> None:
        """Say the ``S:`` lines (a run of them in one write), expect the ``C:`` ones.

        A ``C:`` line is a regular expression for a whole line.
        """
        said = b""
        for line in filter(None, textwrap.dedent(transcript).strip().split("\n")):
            side, _, text = line.strip().partition(": ")
            if side == "S":
                said += text.encode() + b"\r\n"
            else:
                self.send(said)
                said = b""
                self.expect(text)
        self.send(said)

    def say(self, *lines: str) -> None:
        self.send("".join(f"{line}\r\n" for line in lines).encode())

    def send(self, octets: bytes) -> None:
        if octets:
            self.socket.sendall(octets)

    def expect(self, pattern: str) -> str:
        """The client's next line, which must match."""
        line = self.line()
        assert re.fullmatch(pattern, line), f"{line!r} instead of {pattern!r}"
        return line

    def line(self) -> str:
        """The client's next line; EOFError when it hung up."""
        while b"\r\n" not in self._buffer:
            self._read()
        raw, _, self._buffer = self._buffer.partition(b"\r\n")
        self.heard.append(raw)
        return raw.decode()

    def octets(self, count: int) -> bytes:
        """Exactly *count* octets."""
        while len(self._buffer) < count:
            self._read()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        self.heard.append(taken)
        return taken

    def data(self) -> bytes:
        """Content up to the final dot, still stuffed, without the dot.

        Behind it only the next mail may have come already.
        """
        while (end := (b"\r\n" + self._buffer).find(b"\r\n.\r\n")) < 0:
            self._read()
        taken, self._buffer = self._buffer[:end], self._buffer[end + 3 :]
        self.heard.append(taken + b".\r\n")
        assert re.match(rb"(MAIL|QUIT|$)", self._buffer), "two ends in one content"
        return taken

    def expect_silence_so_far(self) -> None:
        """Nothing more has arrived than was expected."""
        assert self._buffer == b"", f"unexpected {self._buffer!r}"

    def expect_end(self) -> None:
        """The client hangs up without a word more."""
        self.expect_silence_so_far()
        with contextlib.suppress(ConnectionResetError):
            more = self.socket.recv(4096)
            assert more == b"", f"unexpected {more!r}"

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.expect_silence_so_far()
        # A client that has left already: `wrap_socket` would leave it unclosed.
        self.socket.getpeername()
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """Break the connection: the client sees ECONNRESET."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def _read(self) -> None:
        octets = self.socket.recv(65536)
        if not octets:
            raise EOFError("the client hung up")
        self._buffer += octets


class ScriptedRelay:
    """Listens on loopback; one thread for each connection."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self._failures: list[BaseException] = []
        self._closing = False
        self.port: int = self._listener.getsockname()[1]

    @property
    def connections(self) -> int:
        return len(self._peers)

    @property
    def heard(self) -> list[bytes]:
        """All lines and contents, of all connections."""
        return [piece for peer in self._peers for piece in peer.heard]

    def settings(self, **fields: Any) -> RelaySettings:
        """How to reach it; plain unless *fields* say otherwise."""
        given = {
            "id": "main",
            "host": "127.0.0.1",
            "port": self.port,
            "encryption": Encryption.NONE,
            "timeouts": QUICK,
        }
        return RelaySettings(**(given | fields))

    def hold_little(self) -> None:
        """Have the system keep hardly anything of what comes and was not read yet."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def hang_up(self) -> None:
        """Close all connections from the relay's side."""
        for peer in self._peers:
            peer.close()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if kind is not None:
            self.hang_up()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script hangs"
        if self._failures and kind is None:
            raise self._failures[0]

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="scripted-relay")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(len(self._peers), len(self._scripts) - 1)]
            peer = Peer(sock)
            self._peers.append(peer)
            self._start(self._play, script, peer)

    def _play(self, script: Script, peer: Peer) -> None:
        try:
            script(peer)
        except BaseException as failure:  # noqa: BLE001  it is raised by the test
            self._failures.append(failure)
        finally:
            peer.close()
