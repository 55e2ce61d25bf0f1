"""Reading what a caller sends, with the watchdog beside it.

A unary call is read as a stream, which is the same on the wire: gRPC reads a unary
body before our code runs, without a time limit.  As in gRPC, one message of such a
call is read and no second is asked for: to learn that there is none takes each call one
more way to gRPC's thread and back.
"""

from __future__ import annotations

from collections.abc import Iterator
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


@dataclass(slots=True, eq=False)
class Reader:
    """What the caller of one call sends; its headers came at monotonic *arrived*."""

    messages: Iterator[bytes]
    context: grpc.ServicerContext
    watchdog: Watchdog
    lane: Lane
    arrived: float

    def only(self) -> bytes:
        """The one message of a call; what else a caller sends is not read.

        Raises `MalformedRequest` if there is none, and `CallerGone`.
        """
        message = self._next(self.arrived)
        if message is None:
            raise MalformedRequest("the call needs exactly one request message")
        return message

    def following(self) -> bytes | None:
        """The next message of a stream, None at its end.

        Raises `CallerGone`, also when the caller was silent for too long.
        """
        return self._next(None)

    def _next(self, since: float | None) -> bytes | None:
        wait = self.watchdog.watch(self.context, self.lane, since)
        try:
            message = next(self.messages, None)
        except grpc.RpcError as error:
            raise CallerGone(SILENT if wait.expired else "") from error
        finally:
            self.watchdog.release(wait)
        if wait.expired:
            # A cancelled call may also look as if its body had ended.
            raise CallerGone(SILENT)
        return message
