"""One stream of mails: the answers come on a thread of their own.

So they are read as they come, whatever the caller does with them meanwhile, and a
service is never made to wait for a loop that is slow.  asyncio goes this way as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

import grpc

from postroom._many import Item
from postroom._tokens import Metadata
from postroom.v1.send_stream_pb2 import SendMessagesResponse

LONGEST_END = 5.0
"""Seconds that a stream which was cancelled may take to end."""

Method: TypeAlias = "grpc.StreamStreamMultiCallable[Item, SendMessagesResponse]"


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream is over: in order, or with *error*."""

    error: grpc.RpcError | None = None


Told: TypeAlias = SendMessagesResponse | Ended


class MailLine:
    """A stream that is open; *tell* is called by its thread, and must not block."""

    def __init__(
        self,
        method: Method,
        metadata: Metadata,
        tell: Callable[[tuple[MailLine, Told]], object],
    ) -> None:
        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._tell = tell
        self._call = method(iter(self._items.get, None), metadata=metadata)
        self._thread = threading.Thread(
            target=self._listen, name="postroom-send-many", daemon=True
        )
        self._thread.start()

    def send(self, item: Item) -> None:
        """One more mail; never blocks."""
        self._items.put(item)

    def finish(self) -> None:
        """No more mails come."""
        self._items.put(None)

    def cancel(self) -> None:
        """End it now, whatever is under way."""
        self._items.put(None)
        self._call.cancel()

    def join(self) -> None:
        """Wait for its thread, once it was cancelled."""
        self._thread.join(LONGEST_END)

    def _listen(self) -> None:
        ended = Ended()
        try:
            for frame in self._call:
                self._tell((self, frame))
        except grpc.RpcError as error:
            ended = Ended(error)
        # gRPC's thread that takes the mails ends with the last one, not by itself.
        self.finish()
        self._tell((self, ended))
