"""What other processes of a fleet did that concerns this one ("postroom-fleet").

Looks when it is told, and each second anyway: which relays administrators paused, how
many processes share what may be done at once, and what of a day's recipients is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from postroom_server.domain.errors import PostroomError

PAUSE = 1.0
"""Seconds between looks, at most."""

_log = structlog.get_logger(__name__)


class FleetWatch:
    """Calls *looks*, one after the other; they may raise what the store raises."""

    def __init__(self, looks: Sequence[Callable[[], None]]) -> None:
        self._looks = looks
        self._told = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="postroom-fleet", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def tell(self) -> None:
        """Something changed elsewhere."""
        self._told.set()

    def stop(self) -> None:
        self._stop.set()
        self._told.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Look at everything now."""
        for look in self._looks:
            look()

    def _run(self) -> None:
        while True:
            self._told.wait(PAUSE)
            self._told.clear()
            if self._stop.is_set():
                return
            try:
                self.look()
            except PostroomError:
                # The store says by itself that it is away; the last look still holds.
                continue
            except Exception:  # noqa: BLE001  the thread must outlive any defect
                _log.exception("fleet.not_seen")
