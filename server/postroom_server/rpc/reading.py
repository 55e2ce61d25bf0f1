"""Reading what a caller sends, with the watchdog beside it.

A unary call is read as a stream, which is the same on the wire: gRPC reads a unary
body before our code runs, without a time limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from postroom_server.domain.errors import MalformedRequest
from postroom_server.rpc.watchdog import Lane, Watchdog

SILENT = "CALLER_SILENT"
"""Why the watchdog ended a call, in logs and metrics."""


class CallerGone(Exception):
    """Nobody waits for an answer; *reason* is `SILENT` if we saw to that."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reader:
    """What the caller of one call sends; its headers came at monotonic *arrived*."""

    messages: Iterator[bytes]
    context: grpc.ServicerContext
    watchdog: Watchdog
    lane: Lane
    arrived: float

    def only(self) -> bytes:
        """The one message of a call.

        Raises `MalformedRequest` if there is none or a second one, and `CallerGone`.
        """
        with self._watched(self.arrived):
            first = next(self.messages, None)
            # Asked for although one is enough: it tells that there is no second.
            second = next(self.messages, None) if first is not None else None
        if first is None or second is not None:
            raise MalformedRequest("the call needs exactly one request message")
        return first

    def following(self) -> bytes | None:
        """The next message of a stream, None at its end.

        Raises `CallerGone`, also when the caller was silent for too long.
        """
        with self._watched(None):
            return next(self.messages, None)

    @contextmanager
    def _watched(self, since: float | None) -> Iterator[None]:
        wait = self.watchdog.watch(self.context, self.lane, since)
        try:
            yield
        except grpc.RpcError as error:
            raise CallerGone(SILENT if wait.expired else "") from error
        finally:
            self.watchdog.release(wait)
        if wait.expired:
            # A cancelled call may also look as if its body had ended.
            raise CallerGone(SILENT)
