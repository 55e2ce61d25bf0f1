"""The streams that are open, so that a shutdown need not wait for their callers.

A caller that does not read holds its stream's thread inside gRPC; only cancelling the
call gets it back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from postroom_server.rpc.watchdog import Cancellable


class OpenStreams:
    """All streams that are being served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Cancellable] = set()
        self._closed = False

    @contextmanager
    def held(self, stream: Cancellable) -> Iterator[None]:
        """Count *stream* as open for the length of a ``with`` block."""
        with self._lock:
            self._open.add(stream)
            closed = self._closed
        if closed:
            stream.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(stream)

    def close(self) -> None:
        """Cancel all streams, and every one that is opened from now on."""
        with self._lock:
            self._closed = True
            streams = tuple(self._open)
        for stream in streams:
            stream.cancel()

    def __len__(self) -> int:
        return len(self._open)
