"""Signals between threads, each a bare lock: what `threading.Event` does by a condition
and two locks costs ten times as much, and every mail has two of them.
"""

from __future__ import annotations

import threading


class Bell:
    """Rung by any thread, and heard once by the one that waits for it.

    Ringing is not lost: who comes to listen later hears it at once.
    """

    __slots__ = ("_silent",)

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    @property
    def is_rung(self) -> bool:
        """Whether it was rung since it was last heard."""
        return not self._silent.locked()

    def ring(self) -> None:
        """Have whoever waits go on."""
        _release(self._silent)

    def hear(self, seconds: float) -> bool:
        """Wait until it is rung, at most *seconds*; whether it was."""
        return self._silent.acquire(timeout=max(0.0, seconds))


class Latch:
    """Opened once, for all who wait and all who come."""

    __slots__ = ("_shut",)

    def __init__(self) -> None:
        self._shut = threading.Lock()
        self._shut.acquire()

    @property
    def is_open(self) -> bool:
        """Whether it was opened."""
        return not self._shut.locked()

    def open(self) -> None:
        """Let everyone go on; again is no error."""
        _release(self._shut)

    def wait(self, seconds: float) -> bool:
        """Wait until it is open, at most *seconds*; whether it is."""
        opened = self._shut.acquire(timeout=max(0.0, seconds))
        if opened:
            _release(self._shut)
        return opened


def _release(lock: threading.Lock) -> None:
    try:  # noqa: SIM105  `suppress` costs more than all of it
        lock.release()
    except RuntimeError:
        # It was done already.
        pass
