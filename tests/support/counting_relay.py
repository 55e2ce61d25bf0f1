"""A relay that takes everything, keeps nothing, and counts what it cost to bring it.

As fast as Python can.  With a *delay* each answer comes so many seconds after what it
answers, as if the relay were far away.  It can run in a process of its own
(`counting_process`).

with CountingRelay() as relay:
    ... connect to relay.port ...
    relay.counts()
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import astuple, dataclass
from queue import SimpleQueue
from typing import Self

BOTH = ("PIPELINING", "8BITMIME", "CHUNKING")
PATIENCE = 10.0
OK = b"250 2.0.0 ok\r\n"
BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Counts:
    """What came, all sessions together.

    *turns*: how often a client that had a session waited for its answers; greeting and
    EHLO are not among them.  *reads*: in how many pieces its octets came.
    """

    sessions: int = 0
    mails: int = 0
    turns: int = 0
    reads: int = 0
    noops: int = 0
    resets: int = 0

    def __sub__(self, before: Counts) -> Counts:
        both = zip(astuple(self), astuple(before), strict=True)
        return Counts(*(now - then for now, then in both))


class Dialogue:
    """One connection; answers are written when the client may wait for them."""

    def __init__(self, sock: socket.socket, relay: CountingRelay) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.verbs: Counter[bytes] = Counter()
        self.mails = self.turns = self.reads = 0
        self._socket = sock
        self._relay = relay
        self._unread = b""
        self._answers = [b"220 sink.example\r\n"]
        self._late: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        self._write = self._write_later if relay.delay else sock.sendall

    def run(self) -> None:
        """Talk until the client leaves."""
        writer = threading.Thread(target=self._write_when_due, name="counting-late")
        if self._relay.delay:
            writer.start()
        self._talk()
        if self._relay.delay:
            self._late.put((0.0, b""))
            writer.join(PATIENCE)
        self._socket.close()

    def _talk(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            verb = b""
            while verb != b"QUIT":
                line = self._line()
                verb = line[:4].upper()
                self.verbs[verb] += 1
                self._answer(verb, line)
            self._flush()

    def counts(self) -> Counts:
        """What came so far."""
        verbs = self.verbs
        # Greeting and EHLO.
        turns = max(0, self.turns - 2)
        noops, resets = verbs[b"NOOP"], verbs[b"RSET"]
        return Counts(1, self.mails, turns, self.reads, noops, resets)

    def _answer(self, verb: bytes, line: bytes) -> None:
        if verb == b"BDAT":
            _, size, *last = line.split()
            self._skip(int(size))
            if last:
                self._took_mail()
        self._answers.append(self._relay.words.get(verb, OK))
        if verb == b"STAR":
            self._start_tls()
        elif verb == b"DATA":
            self._flush()
            self._read_to_dot()
            self._took_mail()
            self._answers.append(OK)

    def _took_mail(self) -> None:
        self._relay.goes_on.wait()
        self.mails += 1

    def _start_tls(self) -> None:
        assert self._relay.tls is not None
        self._socket.sendall(self._answers.pop())
        self._socket = self._relay.tls.wrap_socket(self._socket, server_side=True)
        if not self._relay.delay:
            self._write = self._socket.sendall

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\n")) < 0:
            self._flush()
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
        octets = self._socket.recv(BLOCK)
        if not octets:
            raise EOFError
        self.reads += 1
        self._unread += octets

    def _flush(self) -> None:
        if self._answers:
            self.turns += 1
            self._write(b"".join(self._answers))
            self._answers.clear()

    def _write_later(self, octets: bytes) -> None:
        self._late.put((time.monotonic() + self._relay.delay, octets))

    def _write_when_due(self) -> None:
        while True:
            due, octets = self._late.get()
            if not octets:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                self._socket.sendall(octets)


class CountingRelay:
    """Listens on loopback; a thread for each connection.

    With *tls* it offers STARTTLS.  While *goes_on* is not set no mail is answered.
    """

    def __init__(
        self,
        extensions: tuple[str, ...] = BOTH,
        delay: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        starttls = ["STARTTLS"] if tls else []
        lines = ["sink.example", *starttls, *extensions]
        told = [f"250-{word}\r\n" for word in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        self.words = {
            b"EHLO": "".join(told).encode(),
            b"STAR": b"220 go ahead\r\n",
            b"DATA": b"354 go on\r\n",
            b"QUIT": b"221 bye\r\n",
        }
        self.delay = delay
        self.tls = tls
        self.goes_on = threading.Event()
        self.goes_on.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._dialogues: list[Dialogue] = []
        self._threads = [threading.Thread(target=self._accept, name="counting-relay")]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a client has not left"

    def counts(self) -> Counts:
        """What came so far, of all sessions."""
        each = [astuple(one.counts()) for one in self._dialogues]
        return Counts(*map(sum, zip(*each, strict=True)))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                dialogue = Dialogue(sock, self)
                self._dialogues.append(dialogue)
                thread = threading.Thread(target=dialogue.run, name="counting-dialogue")
                self._threads.append(thread)
                thread.start()
