"""Going on with what other processes left: for a store that processes share.

One thread, "postroom-takeover", looks every few seconds.  The marks of one that died
on this machine tell what it had sent, perhaps; of any other, all of it counts so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from postroom_server.delivery.recovery import NOBODY, Company, take_over
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import PostroomError
from postroom_server.outbox.store import Outbox

PAUSE = 5.0
"""Seconds between looks."""

_log = structlog.get_logger(__name__)


class TakingOver:
    """Settles what is left behind."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        is_marked: Callable[[Delivery], bool],
        company: Company = NOBODY,
        *,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        self._company = company
        self._outbox = outbox
        self._clock = clock
        self._is_marked = is_marked
        self._is_held = is_held
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="postroom-takeover", daemon=True
        )

    def start(self) -> None:
        """Begin to look, if there can be anything to find."""
        if self._outbox.is_shared:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_once(self) -> int:
        """Settle what is left behind now; how many deliveries that were.

        On hold it stays: an operator says what becomes of it.
        """
        if self._is_held():
            return 0
        now = self._clock.now()
        lost, uncertain = take_over(self._outbox, self._is_marked, now, self._company)
        if lost or uncertain:
            _log.warning("delivery.taken_over", lost=lost, uncertain=uncertain)
        return lost + uncertain

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                self.run_once()
            except PostroomError as error:
                _log.warning("delivery.not_taken_over", reason=error.reason)
            except Exception:  # noqa: BLE001  the thread must outlive any defect
                _log.exception("delivery.not_taken_over")
