"""Reading what a caller sends, with the watchdog beside it.

A unary call is read as a stream, which is the same on the wire: gRPC reads a unary
body before our code runs, without a time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import grpc

from postroom_server.domain.errors import MalformedRequest
from postroom_server.rpc.watchdog import Lane, Watchdog

_T = TypeVar("_T")

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
        """The one message of a call.

        Raises `MalformedRequest` if there is none or a second one, and `CallerGone`.
        """
        first, second = self._watched(self._first_two, self.arrived)
        if first is None or second is not None:
            raise MalformedRequest("the call needs exactly one request message")
        return first

    def following(self) -> bytes | None:
        """The next message of a stream, None at its end.

        Raises `CallerGone`, also when the caller was silent for too long.
        """
        return self._watched(self._next, None)

    def _next(self) -> bytes | None:
        return next(self.messages, None)

    def _first_two(self) -> tuple[bytes | None, bytes | None]:
        first = next(self.messages, None)
        # Asked for although one is enough: it tells that there is no second.
        return first, None if first is None else next(self.messages, None)

    def _watched(self, read: Callable[[], _T], since: float | None) -> _T:
        wait = self.watchdog.watch(self.context, self.lane, since)
        try:
            found = read()
        except grpc.RpcError as error:
            raise CallerGone(SILENT if wait.expired else "") from error
        finally:
            self.watchdog.release(wait)
        if wait.expired:
            # A cancelled call may also look as if its body had ended.
            raise CallerGone(SILENT)
        return found
