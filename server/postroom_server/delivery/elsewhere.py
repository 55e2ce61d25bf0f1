"""What callers of other processes want of what is at home here ("postroom-elsewhere").

They wait for a delivery, and it goes on for as long; they take one back whose attempt
is under way here.  One thread looks each second, and at once when it is told to; in a
store of one process there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from postroom_server.delivery.control import UnderWay
from postroom_server.delivery.waits import News, WaitRoom
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.transitions import Fate, settle_open
from postroom_server.outbox.fleet import Cancel, Fleet
from postroom_server.outbox.store import Outbox

POLL = 1.0
"""Seconds between looks, without being told."""
WATCHING = 30.0
"""Seconds for which others are asked to tell of events, again in a third of it."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What is at home here: the store, who waits, what is under way.

    *give_up* ends a relayed send (by tenant and id) for which nobody waits any more;
    *news* is set when there are events to read; *watchers* counts who watches.
    """

    outbox: Outbox
    fleet: Fleet
    waits: WaitRoom
    under_way: UnderWay
    clock: Clock
    give_up: Callable[[str, str], None]
    news: threading.Event
    watchers: Callable[[], int]


class Elsewhere:
    """Hears what others do, and does what they ask."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._look = threading.Event()
        self._stop = threading.Event()
        self._watch_at = 0.0
        self._thread = threading.Thread(
            target=self._run, name="postroom-elsewhere", daemon=True
        )

    def start(self) -> None:
        """Begin to look, if there can be others."""
        if not self._here.fleet.is_alone:
            self._here.fleet.listen(self)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._look.set()
        if self._thread.is_alive():
            self._thread.join()

    def hear(self, delivery_id: str) -> None:
        """Something became of a delivery; who waits for it looks."""
        self._here.waits.nudge(delivery_id)

    def look(self) -> None:
        """Something is asked of what is here."""
        self._look.set()

    def read_on(self) -> None:
        """There are new events."""
        self._here.news.set()

    def went_on(self, delivery: Delivery) -> bool:
        """*delivery* waits for its next attempt; whether it was taken back instead.

        Who asked for that while it was under way was told that it would be.
        """
        here = self._here
        if here.fleet.is_alone or not here.fleet.was_cancelled(delivery):
            return False
        fate = Fate(status=RecipientStatus.CANCELLED)
        change = settle_open(delivery, fate, here.clock.now())
        if not here.outbox.save(change):
            return False
        here.waits.post(News(change.after, answers_now=True))
        return True

    def run_once(self) -> None:
        """Do what is asked now."""
        here = self._here
        asked = here.fleet.asked()
        for cancel in asked.cancels:
            self._break_off(cancel)
        now = here.clock.monotonic()
        limits = {key: now + seconds for key, seconds in asked.waits.items()}
        for tenant, delivery_id in here.waits.heard_elsewhere(limits):
            here.give_up(tenant, delivery_id)
        if here.watchers() and now >= self._watch_at:
            self._watch_at = now + WATCHING / 3
            here.fleet.watch_events(WATCHING)

    def _break_off(self, cancel: Cancel) -> None:
        control = self._here.under_way.get(cancel.delivery)
        if control is None or control.number != cancel.number:
            # It has not begun, or is about to be stored; then `went_on` sees to it.
            return
        if not control.call_off(cancelled=True) and control.past_end_of_data:
            self._here.fleet.refuse_cancel(cancel.delivery)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.run_once()
            except PostroomError as error:
                _log.warning("delivery.others_unheard", reason=error.reason)
            except Exception:  # noqa: BLE001  the thread must outlive any defect
                _log.exception("delivery.others_unheard")
            self._look.wait(POLL)
            self._look.clear()
