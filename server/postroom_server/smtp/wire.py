"""Octets to and from a relay over a socket, each wait bounded (threats R8, R9).

The socket never blocks by itself: we try, and wait with `poll` when there is nothing to
do, for reading *and* writing, so that a relay which speaks while we write is heard and
both sides can't wait for each other.  Everything but `abort` belongs to one thread; but
while that one reads, another may write with nothing to be heard.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence

from postroom_server.smtp.protocol import RawReply, ReplyReader
from postroom_server.smtp.timeouts import Wait

_READ_SIZE = 64 * 1024
_TLS_SLICE = 64 * 1024
_TLS_RECORD = 16 * 1024
"""A relay has all of a record or nothing (RFC 8446 §5.1)."""
_IN = select.POLLIN
_OUT = select.POLLOUT
_WANTS = (
    BlockingIOError,
    InterruptedError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)


class LinkLost(OSError):
    """The connection ended: closed by the relay, broken, or cut off by us."""


class WaitEnded(Exception):
    """The time for this step is over."""


class Wire:
    """One connection; takes the socket over."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.tls: ssl.SSLSocket | None = None
        """The TLS side of it, once there is one."""
        self._reader = ReplyReader()
        self.reply_at_hand: Callable[[], RawReply | None] = self._reader.next_reply
        """The next reply if all of it was read already, without any I/O."""
        self._reading = _poll_of(sock, _IN)
        self._writing: select.poll | None = None
        self._ending = threading.Lock()
        # OpenSSL's connections stand no two threads at once.
        self._io = threading.Lock()
        self._closed = False
        self._lost: LinkLost | None = None
        self.octets_written = 0

    @property
    def local_ip(self) -> str:
        return str(self._socket.getsockname()[0])

    @property
    def silent(self) -> bool:
        """Whether everything that was read was asked for."""
        return self._reader.empty

    def start_tls(self, context: ssl.SSLContext, host: str, wait: Wait) -> None:
        """Shake hands as *host*'s client.

        Raises `ssl.SSLError`, another `OSError` if the link broke, `WaitEnded`.
        """
        with self._ending:
            # A link lost already fails here: `wrap_socket` would leave it unclosed.
            self._socket.getpeername()
            tls = context.wrap_socket(
                self._socket, server_hostname=host, do_handshake_on_connect=False
            )
            self._socket = self.tls = tls
        while True:
            try:
                return tls.do_handshake()
            except ssl.SSLWantReadError:
                self._await(_IN, wait)
            except ssl.SSLWantWriteError:
                self._await(_OUT, wait)

    def read_reply(self, wait: Wait) -> RawReply:
        """The next reply.

        Raises `protocol.ProtocolError`, `LinkLost`, `WaitEnded`.
        """
        while (reply := self._reader.next_reply()) is None:
            if self._lost is not None:
                raise self._lost
            self._await(_IN, wait)
            self._receive()
        return reply

    def write(
        self,
        buffers: Sequence[bytes | memoryview],
        wait: Wait,
        heard: Callable[[], bool] | None = lambda: True,
    ) -> bool:
        """Write all of *buffers*; whether they are gone.

        *heard* is asked whenever the relay spoke meanwhile, and says whether to go on;
        None leaves all reading to another thread.  Where the link breaks, what the
        relay said before is still there to read, and `read_reply` tells of the loss
        after it.  Raises `WaitEnded`.
        """
        pending = [b for b in buffers if len(b)]
        if self.tls is not None:
            pending = _records(pending)
        try:
            while pending:
                if self._send(pending):
                    continue
                ready = self._await(_OUT if heard is None else _IN | _OUT, wait)
                if heard and ready & _IN and self._receive() and not heard():
                    return False
        except LinkLost as lost:
            if heard:
                self._read_last_words(lost)
        return not pending

    def listen(self) -> bool:
        """Read what has come, without waiting; whether anything had."""
        if self._lost is not None:
            return False
        try:
            return self._receive()
        except LinkLost as lost:
            self._lost = lost
            return False

    def _read_last_words(self, lost: LinkLost) -> None:
        while self.listen():
            pass
        self._lost = self._lost or lost

    def _send(self, pending: list[bytes | memoryview]) -> bool:
        try:
            if self.tls is not None:
                with self._io:
                    sent = self.tls.send(pending[0])
            else:
                sent = self._socket.sendmsg(pending[:_MAX_BUFFERS])
        except _WANTS:
            return False
        except OSError as error:
            raise LinkLost(_words(error)) from error
        self.octets_written += sent
        if sent == sum(map(len, pending)):
            pending.clear()
            return True
        while sent and sent >= len(pending[0]):
            sent -= len(pending.pop(0))
        if sent:
            pending[0] = memoryview(pending[0])[sent:]
        return True

    def _receive(self) -> bool:
        """Read once; whether anything came.  Raises `LinkLost` at the end."""
        try:
            if self.tls is not None:
                with self._io:
                    octets = self._socket.recv(_READ_SIZE)
            else:
                octets = self._socket.recv(_READ_SIZE)
        except _WANTS:
            return False
        except OSError as error:
            raise LinkLost(_words(error)) from error
        if not octets:
            raise LinkLost("the relay closed the connection")
        self._reader.feed(octets)
        return True

    def _await(self, events: int, wait: Wait) -> int:
        poll = self._reading
        if events != _IN:
            poll = self._writing = self._writing or _poll_of(self._socket, events)
            poll.modify(self._socket, events)
        elif self._has_read_ahead():
            return _IN
        while (pause := wait.pause()) > 0:
            if ready := poll.poll(pause * 1000):
                return ready[0][1]
        raise WaitEnded

    def _has_read_ahead(self) -> bool:
        """Whether TLS holds octets of which the socket tells nothing any more."""
        tls = self.tls
        if tls is None:
            return False
        with self._io:
            return tls.pending() > 0

    def pending(self) -> bool:
        """Whether the relay has sent anything, or left; never waits."""
        if self._closed or self._lost is not None or not self._reader.empty:
            return True
        # Most often there is nothing: to ask costs less than to try.
        if not self._has_read_ahead() and not self._reading.poll(0):
            return False
        return self.listen() or self._lost is not None

    def abort(self) -> None:
        """Cut the connection off, from any thread: waits end with `LinkLost`."""
        with self._ending, contextlib.suppress(OSError):
            if not self._closed:
                # Not SSLSocket's own, which would turn the rest into plain text.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; may be called again."""
        with self._ending:
            self._closed = True
            self._socket.close()


# Of one sendmsg; the system allows 1024.
_MAX_BUFFERS = 512


def _poll_of(sock: socket.socket, events: int) -> select.poll:
    poll = select.poll()
    poll.register(sock, events)
    return poll


def _records(pending: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """*pending* for TLS: small ones joined to records, large ones in slices.

    Joined ones may be of several mails, so each is sent by itself: OpenSSL counts none
    of what it was given before all of it is gone, and the relay has the records before.
    """
    size = _TLS_SLICE
    if sum(map(len, pending)) <= _TLS_SLICE:
        pending, size = [b"".join(pending)], _TLS_RECORD
    return [
        view[start : start + size]
        for view in [memoryview(one) for one in pending]
        for start in range(0, len(view), size)
    ]


def _words(error: OSError) -> str:
    return f"the connection broke: {(error.strerror or str(error)).lower()}"
