"""Which threads a test left behind, and a bounded wait for them to end."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Collection

PREFIX = "postroom-"
"""How the threads of the product are named; daemons of other names are not ours."""


def watched_threads() -> set[threading.Thread]:
    """The threads alive that nobody may leave behind, less the calling one."""
    return {
        thread
        for thread in threading.enumerate()
        if thread is not threading.current_thread()
        and (not thread.daemon or thread.name.startswith(PREFIX))
    }


def left_behind(
    before: Collection[threading.Thread], patience: float
) -> list[threading.Thread]:
    """Watched threads not in *before* that live on after *patience* seconds in all."""
    deadline = time.monotonic() + patience
    leftover = sorted(watched_threads().difference(before), key=lambda t: t.name)
    for thread in leftover:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in leftover if thread.is_alive()]


def stacks(threads: Collection[threading.Thread]) -> str:
    """Where each of *threads* stands, for people."""
    frames = sys._current_frames()
    return "\n".join(
        f"{thread.name} (daemon: {thread.daemon}):\n"
        + "".join(traceback.format_stack(frames.get(thread.ident or 0))[-6:])
        for thread in threads
    )
