"""What comes with a client stream: its frames, one at a time and at a pace.

A frame is read when the one before has been dealt with, so that a mail of any size
needs the memory of one frame; HTTP/2's flow control holds the caller back meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from postroom_server.rpc.decode import decode
from postroom_server.rpc.pace import Pace
from postroom_server.rpc.reading import Reader


@dataclass(frozen=True, slots=True)
class Upload:
    """One call's frames, each of type *frame*.

    *received* is to be called when all of them have come: what the call still takes
    is no waiting for the caller any more.
    """

    frame: type[Message]
    reader: Reader
    pace: Pace
    received: Callable[[], None]

    def frames(self) -> Iterator[Any]:
        """The frames until the caller half-closes.

        Raises what `decode` does, `DeadlinePassed` for a caller that is too slow, and
        `CallerGone`.
        """
        while (raw := self.reader.following()) is not None:
            self.pace.step(len(raw))
            yield decode(self.frame, raw)
