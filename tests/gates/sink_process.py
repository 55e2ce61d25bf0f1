"""A relay in a process of its own, which keeps a record of what it took.

    python -m tests.gates.sink_process RECORD EXTENSION...

Prints its port.  A line of the record is a mail whose end of data came, flushed to the
disk before it is answered, or a session that came or went.  It hears "hold PASSES POINT", "hold all POINT" and "go
on" from its standard input, and prints the other side's port when a dialogue stands
still; it ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path

from tests.gates.holding_relay import HoldingRelay
from tests.gates.load import subject_of
from tests.support.scripted_relay import Peer, ScriptedRelay


class RecordingRelay(HoldingRelay):
    """Keeps its record in *record*, and nothing in memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.record = -1
        self._mine = threading.local()

    def __call__(self, peer: Peer) -> None:
        # Sessions wait in pools for as long as they like.
        peer.socket.settimeout(None)
        peer.heard = _Nothing()
        with contextlib.suppress(OSError):
            self._mine.port = peer.socket.getpeername()[1]
            self._note(link=1)
            super().__call__(peer)
            self._note(link=-1)

    def _hold(self) -> None:
        super()._hold()
        say(str(self._mine.port))

    def _came(self, content: bytes) -> None:
        self._note(marker=subject_of(content))
        os.fdatasync(self.record)

    def _note(self, **what: object) -> None:
        line = {**what, "at": time.time()}
        os.write(self.record, json.dumps(line).encode() + b"\n")


class _Nothing(list):
    """What was heard, of which nothing is kept."""

    def append(self, _piece: bytes) -> None:
        pass


def obey(relay: RecordingRelay) -> None:
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "hold":
            passes, _, point = rest.partition(" ")
            if passes == "all":
                relay.hold_at(point, every=True)
            else:
                relay.hold_at(point, int(passes))
        else:
            relay.go_on()


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def main() -> None:
    relay = RecordingRelay(tuple(sys.argv[2:]))
    relay.mails = relay.verbs = _Nothing()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    relay.record = os.open(Path(sys.argv[1]), flags, 0o600)
    link = ScriptedRelay(relay)
    link.__enter__()
    say(str(link.port))
    obey(relay)
    os._exit(0)


if __name__ == "__main__":
    main()
