"""A TCP connection to the first address that answers (threat R20).

All addresses are tried in turn, in the system's order; each gets an equal part of the
time that is left, so that one dead address can't use up the time of the others.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Sequence

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.resolve import Endpoint
from postroom_server.smtp.timeouts import Wait


def dial(endpoints: Sequence[Endpoint], wait: Wait) -> tuple[socket.socket, str]:
    """A connected socket and the address it reached.  Raises `SessionError`."""
    problems: list[str] = []
    for number, endpoint in enumerate(endpoints):
        try:
            share = wait.share(len(endpoints) - number)
            return _connect(endpoint, share), endpoint.ip
        except OSError as error:
            problems.append(f"{endpoint.ip}: {_words(error)}")
        if wait.remaining() <= 0:
            raise SessionError(Phase.CONNECT, wait.reason, _joined(problems))
    reason = FailureReason.NETWORK
    raise SessionError(Phase.CONNECT, reason, _joined(problems))


def _connect(endpoint: Endpoint, wait: Wait) -> socket.socket:
    sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # One write per flight would else wait for the ACK of the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        _require(sock.connect_ex(endpoint.address), sock, wait)
    except BaseException:
        sock.close()
        raise
    return sock


def _require(code: int, sock: socket.socket, wait: Wait) -> None:
    if code == errno.EINPROGRESS:
        code = _outcome(sock, wait)
    if code:
        raise OSError(code, os.strerror(code))


def _outcome(sock: socket.socket, wait: Wait) -> int:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    while (pause := wait.pause()) > 0:
        if poll.poll(pause * 1000):
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.ETIMEDOUT


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _joined(problems: Sequence[str]) -> str:
    return "no connection: " + "; ".join(problems)
