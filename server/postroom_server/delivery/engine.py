"""The delivery engine as a whole: what the RPC side calls, and its life.

Built by `app`; started after recovery; drained in the order: no new mail, no new
claims, attempts under way finish within the grace, the rest is broken off and stays
queued.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from postroom_server.delivery.allowance import Gear
from postroom_server.delivery.caller import Caller
from postroom_server.delivery.contents import PartsExpected, parts_expected
from postroom_server.delivery.control import UnderWay
from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.elsewhere import Elsewhere, Here
from postroom_server.delivery.expiring import Expiring
from postroom_server.delivery.fleet_watch import FleetWatch
from postroom_server.delivery.following import Following
from postroom_server.delivery.gate import RelayGate
from postroom_server.delivery.holding import Holding
from postroom_server.delivery.intake import Intake
from postroom_server.delivery.lanes import Lane
from postroom_server.delivery.leave import DayLeave
from postroom_server.delivery.looking import Cancellation, Looking
from postroom_server.delivery.observing import Observer
from postroom_server.delivery.posted import Done
from postroom_server.delivery.posting import Posting
from postroom_server.delivery.recovery import Company, Recovered, recover
from postroom_server.delivery.relay_control import RelayControl
from postroom_server.delivery.relays import Relays
from postroom_server.delivery.rendering import Rendered, Rendering
from postroom_server.delivery.reopening import RetryRequest
from postroom_server.delivery.rescheduling import RescheduleRequest
from postroom_server.delivery.sending import Answer, Sending
from postroom_server.delivery.starts import Starts
from postroom_server.delivery.statistics import NOTHING_MORE, Include, Statistics
from postroom_server.delivery.taking_over import TakingOver
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.delivery.upkeep import Upkeep, retention_of
from postroom_server.delivery.waiting import Patience
from postroom_server.delivery.waits import WaitRoom
from postroom_server.delivery.watching import EventHub
from postroom_server.delivery.worker import Ports, Worker
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import Draining
from postroom_server.domain.limits import Limits
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.pacing import Limits as PaceLimits
from postroom_server.domain.stats import QueueStats, StatsReport
from postroom_server.domain.submission import Submission, ValidationReport
from postroom_server.outbox.fleet import Alone, Fleet
from postroom_server.outbox.marks import MarkKeeper
from postroom_server.outbox.pauses import Pauses
from postroom_server.outbox.quotas import Quotas
from postroom_server.outbox.sharing import Sharing
from postroom_server.outbox.store import Arriving, Blob, Blobs, DeliveryQuery, Outbox
from postroom_server.outbox.tokens import Tokens
from postroom_server.smtp.probe import probe
from postroom_server.smtp.probe_report import ProbeReport
from postroom_server.smtp.timeouts import Deadline

WAITING_PER_RELAY = 64
"""Callers who may wait for one relay, each with a thread: a quarter of those for sends.
"""
LAST_WORD = 2.0
"""Seconds that attempts get to end after they were broken off at the end of a drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """What an engine is made of.

    *several_tenants*: one of them may not have all places of those who wait for a
    relay.  *tenants* have limits of their own.  *fleet* is the other processes,
    *sharing* what all may do.
    """

    outbox: Outbox
    pauses: Pauses
    blobs: Blobs
    marks: MarkKeeper
    relays: Relays
    clock: Clock
    limits: Limits
    observer: Observer
    statistics: Statistics
    several_tenants: bool = False
    tenants: Mapping[str, PaceLimits] = field(default_factory=dict)
    tokens: Tokens
    quotas: Quotas
    sharing: Sharing
    fleet: Fleet = field(default_factory=Alone)


class DeliveryEngine:
    """Accepts mail and sees to its delivery; every method is thread-safe."""

    def __init__(self, parts: EngineParts) -> None:
        self.relays = parts.relays
        self.limits = parts.limits
        self.outbox = parts.outbox
        self._statistics = parts.statistics
        shared = parts.several_tenants
        self._waits = waits = WaitRoom(WAITING_PER_RELAY, shared=shared)
        self._clock = parts.clock
        self._marks = parts.marks
        self._closing = threading.Event()
        self._draining = False
        self._under_way = UnderWay()
        self._lanes = {
            r.id: Lane(r.id, r.settings.most_in_flight, r.pool.places)
            for r in parts.relays
        }
        gear = Gear(parts.tokens, parts.quotas, parts.clock, parts.sharing.share)
        self._gates = {relay.id: RelayGate(relay, gear) for relay in parts.relays}
        tenants = TenantGates(parts.tenants, gear)
        self._dispatcher = Dispatcher(
            parts.outbox, parts.clock, self._lanes, self._gates, tenants
        )
        self.relay_control = RelayControl(
            parts.relays,
            parts.pauses,
            self._dispatcher,
            parts.clock,
            parts.sharing.sending_elsewhere,
        )
        fleet = parts.fleet
        patience = Patience(parts.outbox, waits, self._under_way, parts.clock, fleet)
        self.events = EventHub(parts.outbox, parts.clock, parts.observer.news)
        self._elsewhere = Elsewhere(
            Here(
                outbox=parts.outbox,
                fleet=fleet,
                waits=waits,
                under_way=self._under_way,
                clock=parts.clock,
                give_up=patience.give_up,
                news=parts.observer.news,
                watchers=lambda: self.events.reading().watchers,
            )
        )
        self._company = Company(patience.is_awaited, self._elsewhere.went_on)
        control, sharing = self.relay_control, parts.sharing
        looks = (sharing.look, control.load, parts.quotas.give_back_idle)
        self._fleet_watch = FleetWatch(looks)
        self._sharing = sharing
        sharing.listen(self._fleet_watch.tell)
        parts.tokens.listen(self._dispatcher.wake)
        leave = DayLeave(self._gates, tenants)
        self._worker = Worker(self._ports(parts, patience, leave))
        intake = Intake(parts.clock, parts.limits, parts.blobs)
        self._rendering = Rendering(parts.outbox, parts.relays, intake)
        self._blobs = parts.blobs
        self._sending = Sending(
            outbox=parts.outbox,
            relays=parts.relays,
            intake=intake,
            dispatcher=self._dispatcher,
            waits=waits,
            patience=patience,
            clock=parts.clock,
            limits=parts.limits,
            starts=Starts(self._gates, tenants),
        )
        self._posting = Posting(self._sending)
        self._looking = Looking(
            outbox=parts.outbox,
            sending=self._sending,
            dispatcher=self._dispatcher,
            waits=waits,
            under_way=self._under_way,
            clock=parts.clock,
            limits=parts.limits,
            fleet=fleet,
        )
        self.following = Following(
            outbox=parts.outbox,
            hub=self.events,
            clock=parts.clock,
            retention=parts.limits.events_kept,
        )
        self._holding = holding = Holding(parts.outbox, parts.relays)
        self._taking_over = TakingOver(
            parts.outbox,
            parts.clock,
            self._was_marked,
            self._company,
            is_held=holding.look,
        )
        self.expiring = Expiring(parts.outbox, parts.clock, waits, holding.look)
        self._upkeep = Upkeep(
            parts.outbox,
            parts.blobs,
            parts.clock,
            retention_of(parts.limits),
            (holding.remind, self.expiring.look),
        )

    def start(self) -> Recovered:
        """Settle what the process before left, then begin to deliver.

        On hold it is left as it is, and nothing is delivered.
        """
        recovered = Recovered()
        if not self._holding.look():
            recovered = recover(
                self.outbox, self._was_marked, self._clock.now(), self._company
            )
            self._marks.forget()
        self.relay_control.load()
        self._posting.start()
        self._dispatcher.start(self._worker.attempt, self._posting.following)
        self.outbox.listen(self._dispatcher.look)
        self._taking_over.start()
        self._elsewhere.start()
        if not self._sharing.is_alone:
            self._fleet_watch.start()
        self._upkeep.start()
        self.events.start()
        return recovered

    def send(self, submission: Submission, caller: Caller) -> Answer:
        """Accept one mail, deliver it, and answer when its caller wants."""
        self._refuse_while_draining()
        return self._sending.send(submission, caller)

    def post(self, submission: Submission, caller: Caller, done: Done) -> None:
        """The same for a caller who waits for nothing; see `Posting.post`."""
        self._refuse_while_draining()
        self._posting.post(submission, caller, done)

    def validate(self, submission: Submission) -> ValidationReport:
        """Say what would be sent; nothing is stored."""
        return self._sending.validate(submission)

    def check_header(self, submission: Submission) -> PartsExpected:
        """Check what can be before the parts of *submission* have come.

        Raises as `send` would.  The answer says which parts must come.
        """
        self._refuse_while_draining()
        self._sending.check_header(submission)
        return parts_expected(submission, self.limits)

    def receive(self, most: int) -> AbstractContextManager[Arriving]:
        """A place for at most *most* octets on their way in; see `Blobs.receive`."""
        return self._blobs.receive(most)

    def admit_blob(self, tenant: str, arriving: Arriving) -> None:
        """Raise `QuotaExceeded` before what came for *tenant* is kept."""
        self._blobs.admit(tenant, arriving)

    def keep_blob(self, tenant: str, octets: StoredOctets) -> Blob:
        """Make *octets* a blob of *tenant*; raises `QuotaExceeded`."""
        return self._blobs.keep(tenant, octets)

    def find_blob(self, tenant: str, sha256: str) -> Blob | None:
        """The tenant's blob with that digest (hexadecimal), if there is one."""
        return self._blobs.find(tenant, sha256)

    def render(self, submission: Submission) -> Rendered:
        """The bytes that would be sent; nothing is stored."""
        return self._rendering.submission(submission)

    def render_delivery(self, tenant: str, delivery_id: str) -> Rendered:
        """The bytes of a stored mail; raises `DeliveryNotFound`, `ContentPurged`."""
        return self._rendering.delivery(tenant, delivery_id)

    def get(self, tenant: str, delivery_id: str) -> Delivery:
        """The delivery; raises `DeliveryNotFound`."""
        return self._looking.get(tenant, delivery_id)

    def find(self, tenant: str, request_id: str) -> Delivery:
        """The delivery that *request_id* made; raises `DeliveryNotFound`."""
        return self._looking.find(tenant, request_id)

    def list(self, query: DeliveryQuery) -> Sequence[Delivery]:
        """Deliveries, newest acceptance first."""
        return self.outbox.list(query)

    def cancel(self, tenant: str, delivery_id: str, request_id: str) -> Cancellation:
        """Take back what is not sent yet; raises `TooLate`."""
        return self._looking.cancel(tenant, delivery_id, request_id)

    def reschedule(self, request: RescheduleRequest) -> Answer:
        """Move what waits to another time, or to now; raises `TooLate`."""
        return self._looking.reschedule(request)

    def retry(self, request: RetryRequest, caller: Caller) -> Answer:
        """Go on with what is open; raises `NotRetryable`, `ContentPurged`."""
        self._refuse_while_draining()
        return self._looking.retry(request, caller)

    def test_connection(
        self, relay: str, verify_sender: str, limit: float
    ) -> ProbeReport:
        """Test the way to a relay over a connection of its own, until *limit*.

        A relay that works again is told to the engine: queued mail then goes on.
        """
        found = self.relays.find(relay)
        sender = verify_sender or found.from_address
        report = probe(found.settings, sender, Deadline(limit))
        if report.ok:
            found.watch.worked()
            self._dispatcher.wake()
        return report

    def stats(
        self, relay: str = "", *, tenant: str = "", include: Include = NOTHING_MORE
    ) -> StatsReport:
        """The numbers, of *relay* and *tenant* or of all; raises `RelayNotFound`."""
        return self._statistics.report(relay, tenant=tenant, include=include)

    def queue(self, relay: str) -> QueueStats:
        """What waits for *relay* (a bare id)."""
        return self._statistics.queue(relay)

    def now(self) -> float:
        """Monotonic seconds, by the clock that limits are given in."""
        return self._clock.monotonic()

    def waiting(self, relay: str) -> int:
        """How many callers wait for *relay* (a bare id) at present."""
        return self._waits.count(relay)

    def stop_claiming(self) -> None:
        """Take no new mail and begin no attempt; those under way go on."""
        self._draining = True
        self._dispatcher.stop()
        self._waits.close()
        self.events.stop()

    def drain(self, grace: float) -> bool:
        """Take no new mail, let attempts finish within *grace* seconds.

        What is broken off then stays queued.  False if something would not end.
        """
        self.stop_claiming()
        if self._rests(grace):
            return True
        self._under_way.call_off_all()
        return self._rests(LAST_WORD)

    def _rests(self, seconds: float) -> bool:
        """Wait until nothing is under way, or about to be; False if something is."""
        ends_at = self._clock.monotonic() + seconds
        if self._dispatcher.await_none(seconds):
            return False
        # There are attempts without a slot.
        return self._under_way.wait_for_none(ends_at - self._clock.monotonic())

    def close(self) -> None:
        """End the threads and the records; the outbox and the pools stay open."""
        self.stop_claiming()
        self._closing.set()
        self._under_way.call_off_all()
        self._taking_over.stop()
        self._elsewhere.stop()
        self._fleet_watch.stop()
        self._upkeep.stop()
        self._rests(LAST_WORD)
        self._dispatcher.close()
        self._under_way.wait_for_none(LAST_WORD)
        self._posting.close()
        self.events.close()

    def _ports(self, parts: EngineParts, patience: Patience, leave: DayLeave) -> Ports:
        return Ports(
            outbox=parts.outbox,
            marks=parts.marks,
            relays=parts.relays.by_id,
            waits=patience.waits,
            under_way=self._under_way,
            clock=parts.clock,
            closing=self._closing,
            scheduled=self._scheduled,
            awaited=patience.awaited,
            tell=parts.fleet.tell,
            observe=parts.observer.attempted,
            leave=leave.of,
            is_fleet=not parts.fleet.is_alone,
        )

    def _scheduled(self, delivery: Delivery) -> None:
        if not self._elsewhere.went_on(delivery):
            self._dispatcher.hear(delivery)

    def _was_marked(self, delivery: Delivery) -> bool:
        return self._marks.was_marked(delivery.id, delivery.version)

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise Draining("the service is shutting down")
