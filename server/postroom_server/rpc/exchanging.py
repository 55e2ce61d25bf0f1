"""What gRPC calls for a method that streams both ways.

It answers as a download does, with the watchdog beside each answer.  What the caller
sends is read by a thread of the behaviour's own, since this one may stand in gRPC until
the caller reads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace

from postroom_server.domain.clock import Clock
from postroom_server.rpc.adapter import IN_HAND, SMALL, Serving, serialised
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.finish import Ending
from postroom_server.rpc.methods import Method
from postroom_server.rpc.pools import CountingPool
from postroom_server.rpc.reading import Reader
from postroom_server.rpc.seats import Seats
from postroom_server.rpc.streaming import DownloadAdapter
from postroom_server.rpc.streams import OpenStreams
from postroom_server.rpc.watchdog import Cancellable, Lane
from postroom_server.rpc.windows import Windows


@dataclass(frozen=True, slots=True)
class IdleLane(Lane):
    """Counts the silence of a caller to whom nothing is owed, and no other.

    *owed* tells how many seconds of the wait do not count: all, while something is.
    """

    owed: Callable[[], float]

    def allowed(self) -> float:
        """The longest wait allowed now, in seconds."""
        return Lane.allowed(self) + self.owed()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call: what comes, and what it shares with others of its kind."""

    reader: Reader
    windows: Windows
    clock: Clock
    _streams: OpenStreams
    _in_hand: Seats

    def patient(self, owed: Callable[[], float]) -> Reader:
        """What the caller sends, where silence is to be counted as in `IdleLane`."""
        lane = self.reader.lane
        idle = IdleLane(lane.patience, lane.pressed_patience, lane.pressed, owed)
        return replace(self.reader, lane=idle)

    def open_as(self, stream: Cancellable) -> AbstractContextManager[None]:
        """Count *stream* as open: a shutdown asks it to end."""
        return self._streams.held(stream)

    def room(self, tenant: str, size: int) -> ExitStack | None:
        """Memory for a request of *size* octets, until it is closed; None: a small one.

        Raises `Overloaded`.
        """
        if size <= SMALL:
            return None
        with ExitStack() as stack:
            held = self._in_hand.held(tenant, min(size, IN_HAND // 2))
            stack.enter_context(held)
            return stack.pop_all()


class ExchangeAdapter(DownloadAdapter):
    """Serves one method that streams both ways on its pool."""

    def __init__(
        self, method: Method, pool: CountingPool, lane: Lane, serving: Serving
    ) -> None:
        super().__init__(method, pool, lane, serving)
        self._windows = Windows()
        several = serving.credentials.of_several_tenants
        self._in_hand = Seats(IN_HAND, shared=several)

    def _answers(
        self, reader: Reader, call: CallContext, ending: Ending
    ) -> Generator[bytes, None, None]:
        shared, method = self._serving, self._method
        with self._threads.held(self._identify(call, reader.context)):
            self._begin_waiting(call, ending)
            exchange = Exchange(
                reader, self._windows, shared.clock, shared.streams, self._in_hand
            )
            with closing(method.behaviour(exchange, call)) as responses:
                for response in responses:
                    yield serialised(method, response)
