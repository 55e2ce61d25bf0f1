"""How one process is told to end, and that it ends."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType


def end_for_sure(seconds: float, status: int) -> None:
    """Whatever hangs then, the process ends with *status*: what is stored is safe."""
    timer = threading.Timer(seconds, os._exit, (status,))
    timer.name, timer.daemon = "postroom-exit", True
    timer.start()


def on_signals(asked_to_stop: threading.Event, *, leaves_at_once: bool) -> None:
    """The first signal asks, the second leaves at once: what is stored is safe.

    Of several processes none leaves at once for a signal: each may get one from the
    system, beside the supervisor's word.

    The system may give a signal to any thread, and Python's handlers wait for the main
    one, which sleeps.  So a thread is told by a pipe, into which Python writes at once.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, nothing_more)
    # A terminal that goes away is no reason to stop delivering mail.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def obey() -> None:
        while os.read(told, 1):
            if asked_to_stop.is_set() and leaves_at_once:
                os._exit(0)
            asked_to_stop.set()

    threading.Thread(target=obey, name="postroom-signals", daemon=True).start()


def nothing_more(_signal: int, _frame: FrameType | None) -> None:
    """The pipe has told it already."""
