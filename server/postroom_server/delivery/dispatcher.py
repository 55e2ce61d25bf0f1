"""Which delivery next: claims due mail for free slots, and starts it.

One thread, woken by what happens: mail accepted without a slot, a slot freed, a retry
scheduled, the next due time.  It never polls a lane that it knows to be empty; a look
at every lane each `SAFETY_NET` seconds covers jumps of the wall clock.

Per relay, fresh mail and retries have lanes of their own: while fresh mail waits,
retries get a quarter of the slots (at least one), so that a storm of retries cannot
starve new mail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.relay import RelayWatch
from postroom_server.domain.clock import Clock, Instant, after, seconds_between
from postroom_server.domain.errors import PostroomError
from postroom_server.outbox.store import Claimed, Outbox

SAFETY_NET = 5.0
RETRY_SHARE = 4
"""While fresh mail waits, retries get one slot in so many."""

Deliver = Callable[[Claimed, Mailing | None], None]
"""Makes the attempt and records it; never raises."""

_log = structlog.get_logger(__name__)


class Dispatcher:
    """Hands due deliveries to threads that deliver them."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        lanes: Mapping[str, Lane],
        watches: Mapping[str, RelayWatch],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._lanes = lanes
        self._watches = watches
        self._changed = threading.Condition()
        self._stopping = False
        self._deliver: Deliver | None = None
        self._thread = threading.Thread(
            target=self._run, name="postroom-dispatcher", daemon=True
        )

    def start(self, deliver: Deliver) -> None:
        """Begin to claim what is due and give it to *deliver*."""
        self._deliver = deliver
        self._look_everywhere()
        self._thread.start()

    def reserve(self, relay: str) -> bool:
        """Take a slot of *relay* for mail that just came; False when it must queue.

        Nobody jumps the queue: while mail waits for the relay, new mail does too.  But
        while the queue rests because the relay refuses us, a caller hears so at once.
        """
        with self._changed:
            lane = self._lanes[relay]
            waiting = lane.fresh_at is not None and lane.fresh_at <= self._clock.now()
            waiting = waiting and not self._watches[relay].resumes_in() > 0
            if self._stopping or lane.free == 0 or waiting:
                return False
            lane.free -= 1
            return True

    def release(self, relay: str) -> None:
        """Give a slot back."""
        with self._changed:
            self._lanes[relay].free += 1
            self._changed.notify()

    def begin(self, claimed: Claimed, mailing: Mailing | None = None) -> None:
        """Deliver *claimed*, for which a slot was reserved; *mailing* if composed.

        Where the threads have ended already, the next start finds it under way.
        """
        lane = self._lanes[claimed.delivery.relay]
        try:
            lane.run(lambda: self._work(claimed, mailing))
        except RuntimeError:
            _log.exception("dispatch.no_thread", delivery=claimed.delivery.id)

    def hear(self, relay: str, due_at: Instant, *, retries: bool) -> None:
        """A delivery was stored that is due at *due_at*."""
        with self._changed:
            self._lanes[relay].hear(due_at, retries=retries)
            self._changed.notify()

    def wake(self) -> None:
        """Something changed that is not told in detail."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """Claim no more.  Attempts under way go on."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        """Wait for the delivering threads to end."""
        for lane in self._lanes.values():
            lane.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                if not self._serve_all():
                    self._wait()
            except PostroomError as error:
                # The store is away or full: its own words are in its log.
                _log.warning("dispatch.store_unavailable", reason=error.reason)
                self._pause()
            except Exception:  # noqa: BLE001  without this thread no mail leaves
                _log.exception("dispatch.bug")
                self._pause()

    def _wait(self) -> None:
        with self._changed:
            if self._stopping:
                return
            pause = min(SAFETY_NET, self._idle_for())
            heard = self._changed.wait(pause)
        if not heard and pause == SAFETY_NET:
            self._look_everywhere()

    def _pause(self) -> None:
        with self._changed:
            if not self._stopping:
                self._changed.wait(1.0)

    def _look_everywhere(self) -> None:
        """Ask the store what is due, in case that something was not heard of."""
        for lane in self._lanes.values():
            for retries in (False, True):
                due_at = self._outbox.next_due(lane.relay, retries=retries)
                if due_at is not None:
                    with self._changed:
                        lane.hear(due_at, retries=retries)

    def _idle_for(self) -> float:
        now = self._clock.now()
        dues = [
            max(seconds_between(now, due), self._watches[lane.relay].resumes_in())
            for lane in self._lanes.values()
            if lane.free
            for due in (lane.fresh_at, lane.retry_at)
            if due is not None
        ]
        return max(0.0, min(dues, default=SAFETY_NET))

    def _serve_all(self) -> int:
        return sum(self._serve(lane) for lane in self._lanes.values())

    def _serve(self, lane: Lane) -> int:
        """Start what is due on *lane*; how much that was."""
        order = (True, False) if lane.retries_first else (False, True)
        lane.retries_first = not lane.retries_first
        return sum(self._serve_kind(lane, retries=kind) for kind in order)

    def _serve_kind(self, lane: Lane, *, retries: bool) -> int:
        wanted = self._reserve_for(lane, retries=retries)
        if not wanted:
            return 0
        claimed: Sequence[Claimed] = ()
        try:
            claimed = self._claim(lane, wanted, retries=retries)
        finally:
            for _ in range(wanted - len(claimed)):
                self.release(lane.relay)
        for one in claimed:
            self.begin(one)
        return len(claimed)

    def _reserve_for(self, lane: Lane, *, retries: bool) -> int:
        with self._changed:
            now = self._clock.now()
            due_at = lane.due_at(retries=retries)
            if self._stopping or due_at is None or due_at > now:
                return 0
            watch = self._watches[lane.relay]
            if watch.resumes_in() > 0:
                return 0
            # One alone finds out whether a relay that refused us does so still.
            wanted = min(lane.free, 1) if watch.refuses else lane.free
            if retries and lane.fresh_at is not None and lane.fresh_at <= now:
                wanted = min(wanted, max(1, lane.slots // RETRY_SHARE))
            lane.free -= wanted
            return wanted

    def _claim(self, lane: Lane, wanted: int, *, retries: bool) -> Sequence[Claimed]:
        with self._changed:
            # What is stored from here on is heard of; what was before is claimed.
            lane.learn(None, retries=retries)
        now = self._clock.now()
        try:
            claimed = self._outbox.claim(lane.relay, now, retries=retries, limit=wanted)
        except Exception:
            # What was claimed for nobody is given back among the retries.
            for kind in (retries, True):
                self.hear(lane.relay, after(now, SAFETY_NET), retries=kind)
            raise
        try:
            next_due = self._outbox.next_due(lane.relay, retries=retries)
        except PostroomError:
            # What was claimed is ours to begin all the same.
            next_due = after(now, SAFETY_NET)
        if next_due is not None:
            with self._changed:
                lane.hear(next_due, retries=retries)
        return claimed

    def _work(self, claimed: Claimed, mailing: Mailing | None) -> None:
        deliver = self._deliver
        try:
            if deliver is not None:
                deliver(claimed, mailing)
        finally:
            self.release(claimed.delivery.relay)
