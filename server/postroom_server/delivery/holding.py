"""A store on hold: mail is taken, and nothing of it is begun.

It was restored, or an operator said so.  Claims find nothing then, whoever makes them;
here every relay is paused besides, so that callers, health and numbers tell why.
"""

from __future__ import annotations

import threading

import structlog

from postroom_server.delivery.relays import Relays
from postroom_server.domain.hold import Hold
from postroom_server.domain.relays import RelayPause
from postroom_server.outbox.store import Outbox

_log = structlog.get_logger(__name__)


class Holding:
    """Follows the hold of *outbox*; any thread may call."""

    def __init__(self, outbox: Outbox, relays: Relays) -> None:
        self._outbox = outbox
        self._relays = relays
        self._lock = threading.Lock()
        self._hold: Hold | None = None

    def look(self) -> bool:
        """Whether the store is on hold now; relays are paused, or go on."""
        with self._lock:
            hold = self._outbox.hold.now()
            if hold != self._hold:
                self._hold = hold
                self._apply(hold)
            return hold is not None

    def remind(self) -> None:
        """Say it again, in case that nobody heard."""
        if self.look() and self._hold is not None:
            _warn(self._hold)

    def _apply(self, hold: Hold | None) -> None:
        pause = None
        if hold is None:
            _log.warning("store.resumed")
        else:
            _warn(hold)
            reason = f"the store is on hold: {hold.reason}"
            pause = RelayPause(reason, "", hold.since)
        for relay in self._relays:
            relay.watch.hold_for(pause)


def _warn(hold: Hold) -> None:
    advice = "nothing is delivered until: postroomd store resume"
    _log.error("store.on_hold", reason=hold.reason, advice=advice)
