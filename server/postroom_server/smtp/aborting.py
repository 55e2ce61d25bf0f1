"""Breaking a conversation off from another thread."""

from __future__ import annotations

import threading

from postroom_server.smtp.wire import Wire


class Abort:
    """Called, it cuts *wire*, until it is disarmed.

    Whoever keeps it too long does no harm: after `disarm` has returned it never cuts.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._armed = True
        self.tripped = False

    def __call__(self) -> None:
        with self._lock:
            if self._armed:
                self.tripped = True
                self._wire.abort()

    def disarm(self) -> None:
        if self._armed:
            with self._lock:
                self._armed = False
