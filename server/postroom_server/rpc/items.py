"""One mail among many, as it comes: read strictly, and a caller of its own.

Whatever is wrong with it is told of it alone, in the words that SendMessage would have
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack

from postroom.v1 import send_pb2
from postroom.v1 import send_stream_pb2 as wire

from postroom_server.domain.errors import InvalidArgument, Problem, UnknownField
from postroom_server.rpc.decode import decode, refuse_unknown

MOST_OF_A_KEY = 256
"""Octets."""
WAIT = 30.0
"""Seconds until an item is answered whose request says nothing, where the call that it
comes with may last for hours."""
_WITHIN = "request."


class Item:
    """The engine's caller for the item at *index*, of *size* octets.

    *limit* is the monotonic instant at which it is answered at the latest.
    *on_accepted* is called once, when its octets are in the store, or nowhere.
    """

    __slots__ = ("_accepted", "_gone", "_leave", "_on_accepted", "holds_key", "index",
                 "key", "limit", "room", "size")  # fmt: skip

    def __init__(
        self, index: int, size: int, limit: float, on_accepted: Callable[[Item], object]
    ) -> None:
        self.index = index
        self.size = size
        self.limit = limit
        self.key = ""
        self.holds_key = False
        self.room: ExitStack | None = None
        self._on_accepted = on_accepted
        self._accepted = False
        self._leave: Callable[[], object] | None = None
        self._gone = False

    def bound(self, wait_timeout: float | None, now: float) -> None:
        """Answer it within `WAIT` unless it has a *wait_timeout* of its own."""
        if wait_timeout is None:
            self.limit = min(self.limit, now + WAIT)

    def accepted(self) -> None:
        """Its octets are needed here no longer.  May be repeated."""
        if not self._accepted:
            self._accepted = True
            if self.room is not None:
                self.room.close()
            self._on_accepted(self)

    def on_leave(self, callback: Callable[[], object]) -> None:
        """Have *callback* called when its caller is gone."""
        self._leave = callback
        # Set before it is asked, as `leave` asks after it has set the other.
        if self._gone:
            callback()

    def leave(self) -> None:
        """Its caller is gone."""
        self._gone = True
        if self._leave is not None:
            self._leave()


def item_of(raw: bytes) -> wire.SendMessagesRequest:
    """The item that *raw* is; raises `MalformedRequest`, and for a flood of fields."""
    return decode(wire.SendMessagesRequest, raw, strict=False)


def check_key(key: str, waiting: Collection[str]) -> None:
    """Raise `InvalidArgument` for a *key* that is too long, or is *waiting* already."""
    if len(key.encode()) > MOST_OF_A_KEY:
        text = f"is longer than {MOST_OF_A_KEY} octets"
        raise InvalidArgument([Problem("key", text)])
    if key in waiting:
        raise InvalidArgument([Problem("key", "waits for its answer already")])


def request_in(item: wire.SendMessagesRequest) -> send_pb2.SendMessageRequest:
    """The mail of *item*; raises `UnknownField`, `InvalidArgument` if there is none."""
    try:
        refuse_unknown(item)
    except UnknownField as error:
        problems = [
            Problem(problem.field.removeprefix(_WITHIN), problem.description)
            for problem in error.problems
        ]
        raise UnknownField(problems) from None
    if not item.HasField("request"):
        raise InvalidArgument([Problem("request", "is required")])
    return item.request
