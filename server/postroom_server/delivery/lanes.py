"""Room to work: how many attempts a relay may have under way, and who runs them.

There are as many slots as transactions that its sessions can carry, which is known when
the first is open.  A slot is reserved before a delivery is accepted or claimed, so that
nothing is ever claimed that cannot start at once.

While fresh mail waits, retries get one start in four and never hold more than a
quarter of the slots (at least one), so that a storm of retries cannot starve new mail,
nor new mail the retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from postroom_server.delivery.crew import Crew, Work
from postroom_server.delivery.turns import Turns
from postroom_server.domain.clock import Instant, seconds_between
from postroom_server.domain.lane import LaneKey

RETRY_SHARE = 4
"""While fresh mail waits, retries get one slot in so many."""

_log = structlog.get_logger(__name__)

TenantWait = Callable[[str], float]
"""Seconds until a tenant may have another delivery begun; 0: it may now."""


class Lane:
    """The slots of one relay, and what is known to wait for them.

    *under_way* of them are taken, *retrying* hold retries; *recording* are free again,
    though what had them is not recorded yet (less one for each that is recorded and not
    free).  Guarded by the dispatcher's lock.
    """

    def __init__(
        self, relay: str, most: int, slots: Callable[[], int] | None = None
    ) -> None:
        """*slots* tells how many there are now, of *most*; none given: all of them."""
        self.relay = relay
        self.under_way = 0
        self.retrying = 0
        self.recording = 0
        self._slots = slots or (lambda: most)
        self._due: dict[LaneKey, Instant] = {}
        """When the first delivery of each lane is due, as far as is known."""
        self._turns = {False: Turns(), True: Turns()}
        self._fresh_in_a_row = 0
        self._threads = Crew(most, f"postroom-deliver-{relay}")
        # Apart: they wait as long as the store is away, and mail must not wait behind.
        self._recorders = Crew(most, f"postroom-record-{relay}")

    def begin(self, work: Work) -> bool:
        """Have *work* done by a thread that delivers; whether there is one."""
        return self._run(self._threads, work)

    def record(self, work: Work) -> bool:
        """The same for *work* that may wait for the store; no mail waits behind it."""
        return self._run(self._recorders, work)

    def _run(self, crew: Crew, work: Work) -> bool:
        try:
            crew.run(work)
        except RuntimeError:
            _log.exception("dispatch.no_thread", relay=self.relay)
            return False
        return True

    @property
    def retries_first(self) -> bool:
        """Whether it is the retries' turn."""
        return self._fresh_in_a_row >= RETRY_SHARE - 1

    @property
    def slots(self) -> int:
        """How many there are now."""
        return self._slots()

    @property
    def free(self) -> int:
        """How many of them are not taken."""
        return max(0, self._slots() - self.under_way)

    @property
    def not_ended(self) -> int:
        """How many attempts are under way, or ended, and are not recorded yet."""
        return self.under_way + self.recording

    @property
    def knows_of_mail(self) -> bool:
        """Whether something waits for a slot, or for its time."""
        return bool(self._due)

    def idle_for(self, now: Instant, wait: TenantWait) -> float | None:
        """Seconds until a delivery is due and its tenant may; None: none is known."""
        waits = (
            seconds_between(now, due_at) if due_at > now else wait(lane.tenant)
            for lane, due_at in self._due.items()
        )
        return min(waits, default=None)

    def holds_due(
        self, tenant: str, now: Instant, wait: TenantWait, *, retries: bool
    ) -> bool:
        """Whether fresh mail that is due *now*, or with *retries* any, goes first.

        Before new mail of *tenant*, that is.  What the limits of others hold back does
        not: the slots would stay empty.
        """
        return bool(self._due) and any(
            due_at <= now
            and (retries or not lane.retries)
            and (lane.tenant == tenant or not wait(lane.tenant))
            for lane, due_at in self._due.items()
        )

    def due(
        self, now: Instant, wait: TenantWait, *, retries: bool
    ) -> Sequence[LaneKey]:
        """The lanes of a kind with a delivery that is due and may start."""
        return [
            lane
            for lane, due_at in self._due.items()
            if lane.retries is retries and due_at <= now and not wait(lane.tenant)
        ]

    def learn(self, lane: LaneKey, due_at: Instant | None) -> None:
        """Set when the first delivery of *lane* is due; None: it is empty."""
        if due_at is None:
            self._due.pop(lane, None)
        else:
            self._due[lane] = due_at

    def hear(self, lane: LaneKey, due_at: Instant) -> None:
        """A delivery of *lane* is due then, perhaps before the others."""
        known = self._due.get(lane, due_at)
        self._due[lane] = min(known, due_at)

    def room(self, now: Instant, wait: TenantWait, *, retries: bool) -> int:
        """How many slots deliveries of a kind may take."""
        # Fresh mail that may not start needs no slot: retries need not spare it one.
        if not retries or not self.due(now, wait, retries=False):
            return self.free
        room = max(1, self.slots // RETRY_SHARE) - self.retrying
        return min(self.free, max(0, room))

    def reserve(
        self, due: Iterable[LaneKey], most: int, *, retries: bool
    ) -> Mapping[LaneKey, int]:
        """Take *most* slots for the lanes that are *due*; whose they are.

        What is not used of them is to be given back.
        """
        shares = self._turns[retries].share(due, most)
        self.take(sum(shares.values()), retries=retries)
        return shares

    def take(self, slots: int, *, retries: bool) -> None:
        """Use *slots* of those that are free."""
        self.under_way += slots
        self.retrying += slots if retries else 0

    def give_back(self, slots: int = 1, *, retries: bool) -> None:
        """Free *slots* again."""
        self.take(-slots, retries=retries)

    def started(self, count: int, *, retries: bool) -> None:
        """So many deliveries of a kind got their turn."""
        if retries and count:
            self._fresh_in_a_row = 0
        elif not retries:
            self._fresh_in_a_row += count

    def close(self) -> None:
        """Wait for the threads, which must have come to an end of their work."""
        self._threads.close()
        self._recorders.close()
