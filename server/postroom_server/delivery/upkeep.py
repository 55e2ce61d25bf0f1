"""Purging what is past its time, in the background and in small turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.limits import Limits
from postroom_server.outbox.store import Blobs, Outbox, Retention

PAUSE = 60.0
"""Seconds between looks when nothing was left to purge."""

EVENTS_SPARED = 3600.0
"""Seconds that events are kept longer than cursors are good for: clocks jump, and an
event is stored a little later than it occurred."""

_log = structlog.get_logger(__name__)


def retention_of(limits: Limits) -> Retention:
    """For how long the store keeps things under *limits*."""
    return Retention(
        content=limits.content_retention,
        deliveries=limits.delivery_retention,
        events=limits.events_kept + EVENTS_SPARED,
    )


class Upkeep:
    """One thread that purges, after *also*; `turn` is what it does each time."""

    def __init__(
        self,
        outbox: Outbox,
        blobs: Blobs,
        clock: Clock,
        retention: Retention,
        also: Iterable[Callable[[], object]] = (),
    ) -> None:
        self._outbox = outbox
        self._blobs = blobs
        self._clock = clock
        self._retention = retention
        self._also = tuple(also)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="postroom-purge", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_once(self) -> int:
        """Purge until nothing is left to; how many rows and files went."""
        # Files first: on a full disk nothing can be purged before they make room.
        purged = self._blobs.sweep()
        while not self._stop.is_set():
            turn = self._outbox.purge(self._clock.now(), self._retention)
            if not turn:
                break
            purged += turn
        return purged

    def turn(self) -> None:
        """All that there is to do now; what one step meets keeps no other from it."""
        for step in (*self._also, self._purge):
            try:
                step()
            except PostroomError as error:
                _log.warning("upkeep.store_unavailable", reason=error.reason)
            except Exception:  # noqa: BLE001  the thread must outlive any defect
                _log.exception("upkeep.bug")

    def _purge(self) -> None:
        if purged := self.run_once():
            _log.info("upkeep.purged", rows=purged)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            self.turn()
