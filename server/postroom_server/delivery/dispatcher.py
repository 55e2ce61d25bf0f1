"""Which delivery next: claims due mail for free slots, and starts it.

One thread, woken by what happens: mail accepted without a slot, a slot freed, a retry
scheduled, the next due time.  It never polls a lane that it knows to be empty; a look
at every lane each `SAFETY_NET` seconds covers jumps of the wall clock.

Per relay first: its free slots.  Then whose turn it is among tenants and priorities
(`turns`), and among fresh mail and retries (`lanes`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial

import structlog

from postroom_server.delivery.crew import Work
from postroom_server.delivery.gate import RelayGate
from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.rounds import Deliver, Following, Rounds, Take
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.clock import Clock, Instant, after
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.lane import LaneKey
from postroom_server.outbox.store import Claimed, Outbox

SAFETY_NET = 5.0
"""Seconds between looks at every lane, whatever was heard."""
TROUBLED_PAUSE = 1.0
"""Seconds until the next claim after one that failed."""

_log = structlog.get_logger(__name__)


class Slot(Enum):
    """What mail gets that asks for a slot of its relay."""

    TAKEN = "one is reserved for it"
    FULL = "attempts hold all of them, and nothing else waits for one"
    REFUSED = "it has to wait its turn"


class Dispatcher:
    """Hands due deliveries to threads that deliver them."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        lanes: Mapping[str, Lane],
        gates: Mapping[str, RelayGate],
        tenants: TenantGates,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._lanes = lanes
        self._gates = gates
        self._tenants = tenants
        # The bare lock: entering a condition costs some ten times as much.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._ended = threading.Condition(self._lock)
        self._awaiting_end = 0
        self._stopping = False
        self._rounds: Rounds
        self._thread = threading.Thread(
            target=self._run, name="postroom-dispatcher", daemon=True
        )

    def start(self, deliver: Deliver, following: Following) -> None:
        """Begin to claim what is due and give it to *deliver*.

        A thread that has delivered one sees to what is *following*.
        """
        commit = self._outbox.begin_commit
        self._rounds = Rounds(deliver, following, self, commit)
        self._look_everywhere()
        self._thread.start()

    def reserve(self, relay: str, tenant: str) -> bool:
        """Take a slot of *relay* for mail that just came; False when it must queue.

        Nobody jumps the queue: while mail waits for the relay, new mail does too.
        """
        return self.slot(relay, tenant) is Slot.TAKEN

    def slot(self, relay: str, tenant: str, *, last: bool = False) -> Slot:
        """The same, and why not; *last*: retries that are due go before it as well."""
        with self._lock:
            lane = self._lanes[relay]
            now, wait = self._clock.now(), self._tenants.wait
            if self._stopping or lane.holds_due(tenant, now, wait, retries=last):
                return Slot.REFUSED
            if lane.free == 0:
                return Slot.FULL
            if not self._tenants.take(tenant, 1):
                return Slot.REFUSED
            if not self._gates[relay].take(1, lane.under_way):
                self._tenants.give_back(tenant, 1)
                return Slot.REFUSED
            lane.take(1, retries=False)
            return Slot.TAKEN

    def give_back(
        self, relay: str, unused: Mapping[str, int], *, retries: bool = False
    ) -> None:
        """Give slots back for which nothing was started; *unused* by tenant."""
        for tenant, count in unused.items():
            self._tenants.give_back(tenant, count)
        slots = sum(unused.values())
        self._gates[relay].give_back(slots)
        self.release(relay, slots, retries=retries)

    def release(self, relay: str, slots: int = 1, *, retries: bool = False) -> None:
        """Give slots back."""
        with self._lock:
            lane = self._lanes[relay]
            lane.give_back(slots, retries=retries)
            self._note_end(concerns_mail=lane.knows_of_mail)

    def begin(
        self, claimed: Claimed, mailing: Mailing | None = None, *, retries: bool = False
    ) -> None:
        """Deliver *claimed*, for which a slot was reserved; *mailing* if composed.

        Where the threads have ended already, the next start finds it under way.
        """
        run = partial(self._rounds.run, claimed, mailing, retries=retries)
        self._lanes[claimed.delivery.relay].begin(run)

    def begin_taking(self, delivery: Delivery, take: Take) -> bool:
        """The same, where a thread must *take* it first; False: there is none."""
        begin = partial(self._rounds.begin, delivery.relay, take)
        return self._lanes[delivery.relay].begin(begin)

    def begin_here(self, claimed: Claimed, mailing: Mailing | None = None) -> None:
        """Deliver *claimed* on this thread, without a slot.

        For a relay that will not be asked: all slots may be held by attempts on it.
        """
        self._rounds.here(claimed, mailing)

    def take_up(self, relay: str, most: int) -> None:
        """Have free slots, which no attempt held, taken by what stands: by *most*."""
        lane = self._lanes[relay]
        for _ in range(min(most, lane.free)):
            lane.begin(partial(self._rounds.take_up, relay))

    def record(self, relay: str, work: Work) -> bool:
        """Have *work*, which may wait, done by a thread that records for *relay*."""
        return self._lanes[relay].record(work)

    def under_way(self, relay: str) -> int:
        """How many attempts on *relay* hold a slot."""
        with self._lock:
            return self._lanes[relay].under_way

    def await_none(self, seconds: float, relay: str = "") -> int:
        """Wait until no attempt, or none on *relay*, is under way; how many still are.

        Mail that the store has been given, to be accepted and begun, counts as well.
        """
        lanes = [self._lanes[relay]] if relay else [*self._lanes.values()]
        with self._lock:
            self._awaiting_end += 1
            try:
                self._ended.wait_for(lambda: not _not_ended(lanes), seconds)
            finally:
                self._awaiting_end -= 1
            return _not_ended(lanes)

    def hear(self, delivery: Delivery) -> None:
        """*delivery* was stored, and waits for its next attempt.

        Where its relay is not configured any more, until it is again.
        """
        if delivery.due_at is not None and delivery.relay in self._lanes:
            self._hear(delivery.relay, {delivery.lane: delivery.due_at})

    def look(self, relay: str) -> None:
        """Something of *relay* became due in another process; raises nothing."""
        if relay in self._lanes:
            try:
                self._hear(relay, self._outbox.lanes(relay))
            except PostroomError as error:
                # It is found at the next look at everything.
                _log.warning("dispatch.store_unavailable", reason=error.reason)

    def wake(self) -> None:
        """Something changed that is not told in detail."""
        with self._lock:
            self._changed.notify_all()

    def stop(self) -> None:
        """Claim no more.  Attempts under way go on."""
        with self._lock:
            self._stopping = True
            self._changed.notify_all()
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
        with self._lock:
            if self._stopping:
                return
            pause = min(SAFETY_NET, self._idle_for())
            heard = self._changed.wait(pause)
        if not heard and pause == SAFETY_NET:
            self._look_everywhere()

    def _pause(self) -> None:
        with self._lock:
            if not self._stopping:
                self._changed.wait(TROUBLED_PAUSE)

    def _look_everywhere(self) -> None:
        """Ask the store what is due, in case that something was not heard of."""
        for relay in self._lanes:
            self._hear(relay, self._outbox.lanes(relay))

    def _hear(self, relay: str, dues: Mapping[LaneKey, Instant]) -> None:
        with self._lock:
            for lane, due_at in dues.items():
                self._lanes[relay].hear(lane, due_at)
            self._changed.notify_all()

    def _idle_for(self) -> float:
        now = self._clock.now()
        dues = [
            # What is not due needs no leave yet.
            due_in or self._gates[lane.relay].idle_for(lane.under_way)
            for lane in self._lanes.values()
            if lane.free
            and (due_in := lane.idle_for(now, self._tenants.wait)) is not None
        ]
        return min(dues, default=SAFETY_NET)

    def _serve_all(self) -> int:
        return sum(self._serve(lane) for lane in self._lanes.values())

    def _serve(self, lane: Lane) -> int:
        """Start what is due on *lane*; how much that was."""
        order = (True, False) if lane.retries_first else (False, True)
        return sum(self._serve_kind(lane, retries=kind) for kind in order)

    def _serve_kind(self, lane: Lane, *, retries: bool) -> int:
        with self._lock:
            wanted = self._shares(lane, retries=retries)
        if not wanted:
            return 0
        claimed: Sequence[Claimed] = ()
        try:
            claimed = self._claim(lane, wanted)
        finally:
            self.give_back(lane.relay, _unused(wanted, claimed), retries=retries)
        lane.started(len(claimed), retries=retries)
        for one in claimed:
            self.begin(one, retries=retries)
        return len(claimed)

    def _shares(self, lane: Lane, *, retries: bool) -> Mapping[LaneKey, int]:
        """Slots, with leave of the relay and of each tenant to start so many."""
        now = self._clock.now()
        wait = self._tenants.wait
        due = lane.due(now, wait, retries=retries)
        if not due or self._stopping:
            return {}
        most = lane.room(now, wait, retries=retries)
        if not most:
            return {}
        most = self._gates[lane.relay].take(most, lane.under_way)
        wanted = lane.reserve(due, most, retries=retries)
        shares = {
            key: self._tenants.take(key.tenant, slots) for key, slots in wanted.items()
        }
        unused = sum(wanted.values()) - sum(shares.values())
        lane.give_back(unused, retries=retries)
        self._gates[lane.relay].give_back(unused)
        return {key: slots for key, slots in shares.items() if slots}

    def _claim(self, lane: Lane, wanted: Mapping[LaneKey, int]) -> Sequence[Claimed]:
        with self._lock:
            # What is stored from here on is heard of; what was before is claimed.
            for key in wanted:
                lane.learn(key, None)
        now = self._clock.now()
        later = after(now, SAFETY_NET)
        try:
            claimed = self._outbox.claim(lane.relay, now, wanted)
        except Exception:
            # What was claimed for nobody is given back among the retries.
            self._hear(lane.relay, dict.fromkeys(wanted, later))
            again = [replace(key, retries=True) for key in wanted]
            self._hear(lane.relay, dict.fromkeys(again, later))
            raise
        try:
            self._hear(lane.relay, _next_due(self._outbox, lane.relay, wanted))
        except PostroomError:
            # What was claimed is ours to begin all the same.
            self._hear(lane.relay, dict.fromkeys(wanted, later))
        return claimed

    def ended(self, delivery: Delivery, *, retries: bool) -> None:
        """The attempt on *delivery* needs its slot no more; `recorded` comes once."""
        limited = self._tenants.ended(delivery.tenant)
        lane = self._lanes[delivery.relay]
        with self._lock:
            lane.recording += 1
            lane.give_back(retries=retries)
            # Who is limited may have mail for another relay, which waited for that.
            self._note_end(concerns_mail=limited or lane.knows_of_mail)

    def recorded(self, relay: str) -> None:
        """An attempt on *relay* is over, whether it gave its slot back yet or not."""
        with self._lock:
            self._lanes[relay].recording -= 1
            self._note_end(concerns_mail=False)

    def _note_end(self, *, concerns_mail: bool) -> None:
        """Tell those who wait for it: to wake one for nothing costs more than this."""
        if self._awaiting_end:
            self._ended.notify_all()
        if concerns_mail:
            self._changed.notify_all()


def _next_due(
    outbox: Outbox, relay: str, lanes: Iterable[LaneKey]
) -> Mapping[LaneKey, Instant]:
    dues = {lane: outbox.next_due(relay, lane) for lane in lanes}
    return {lane: due for lane, due in dues.items() if due is not None}


def _not_ended(lanes: Iterable[Lane]) -> int:
    return sum(lane.not_ended for lane in lanes)


def _unused(
    wanted: Mapping[LaneKey, int], claimed: Iterable[Claimed]
) -> Mapping[str, int]:
    """By tenant, how many of the slots *wanted* nothing was *claimed* for."""
    unused: Counter[str] = Counter()
    for lane, slots in wanted.items():
        unused[lane.tenant] += slots
    unused.subtract(one.delivery.tenant for one in claimed)
    return unused
