"""Lease -> attempt -> record: what a delivering thread does with one delivery.

Whatever happens, the attempt ends with a record (`recording`): an exception of ours
becomes an INTERNAL failure with an incident id (or UNCERTAIN, past the end of data).
"""

from __future__ import annotations

import math
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from postroom_server.delivery.attempts import Course, for_all, make_attempt
from postroom_server.delivery.control import AttemptControl, UnderWay
from postroom_server.delivery.decision import Situation, decide
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.leave import FREE_LEAVE, Leave
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.recording import (
    Conclusion,
    Kept,
    Outcome,
    Recording,
    Told,
)
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.rounds import Ending
from postroom_server.delivery.schedule import Chance
from postroom_server.delivery.waits import News, WaitRoom
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.octets import DamagedOctets
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Change, mark_data
from postroom_server.outbox.marks import MarkKeeper
from postroom_server.outbox.store import Claimed, Outbox
from postroom_server.telemetry import naming

_log = structlog.get_logger(__name__)


def _nobody(_delivery_id: str) -> None:
    """There are no others."""


def _by_nobody(_delivery: Delivery) -> bool:
    return False


def _free(_delivery: Delivery) -> Leave:
    return FREE_LEAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the worker meets: the store, the relays, those who wait, the time.

    *closing* is set when the process must end; *scheduled* hears of every due time, and
    may raise what the store raises.
    *awaited* tells whether callers of other processes wait for a delivery; *tell* tells
    them of one for which nobody waits here, but somebody did where it was accepted.
    *leave* may wait for the store, and raises what it raises; in a fleet (*is_fleet*)
    *scheduled* may wait as well.
    """

    outbox: Outbox
    marks: MarkKeeper
    relays: Mapping[str, Relay]
    waits: WaitRoom
    under_way: UnderWay
    clock: Clock
    closing: threading.Event
    scheduled: Callable[[Delivery], None]
    observe: Callable[[Delivery, Course], None]
    awaited: Callable[[Delivery], bool] = _by_nobody
    tell: Callable[[str], None] = _nobody
    leave: Callable[[Delivery], Leave] = _free
    chance: Chance = random.random
    is_fleet: bool = False


class Worker:
    """Delivers one claimed delivery at a time; any number of threads may."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._recording = Recording(ports.outbox, ports.closing, ports.chance)

    def attempt(
        self, claimed: Claimed, mailing: Mailing | None, ending: Ending
    ) -> None:
        """Make the attempt that *claimed* began; how it ended is being recorded.

        *mailing* is given when its content was composed already; *ending* hears when
        it is over.
        """
        delivery = claimed.delivery
        lease = _Lease(delivery, self._ports)
        self._ports.under_way.begin(delivery.id, lease.control)
        named = naming.name(delivery)
        try:
            course = self._course(claimed, mailing, lease.control)
            conclusion = self._conclusion(lease, course)
            self._recording.begin(conclusion, partial(self._tried, lease, ending))
        except Exception:  # noqa: BLE001  it stays under way, and the next start settles it
            _log.exception("delivery.not_recorded", delivery=delivery.id)
            self._over(lease, ending)
        finally:
            naming.unname(named)

    def _tried(
        self, lease: _Lease, ending: Ending, outcome: Outcome, told: Told
    ) -> None:
        """How the first try to record it ended; on the thread that commits.

        That one waits for nothing: where the store did not take it, and where others
        are to be asked first, it is for a thread that records.
        """
        goes_on = outcome.change.after.due_at is not None
        waits = isinstance(told, Exception) or (goes_on and self._ports.is_fleet)
        if not waits:
            self._finish(lease, ending, outcome, told)
        elif not ending.elsewhere(partial(self._finish, lease, ending, outcome, told)):
            self._abandon(lease, told)
            self._over(lease, ending)

    def _abandon(self, lease: _Lease, told: Told) -> None:
        """The process ends: nobody is left who could wait for the store."""
        if told is True:
            # It goes on in another process.
            lease.clear_mark()
        else:
            _log.error("delivery.not_recorded", delivery=lease.delivery.id)

    def _finish(
        self, lease: _Lease, ending: Ending, outcome: Outcome, told: Told
    ) -> None:
        named = naming.name(lease.delivery)
        try:
            stored = self._stored(lease, outcome, told)
            if stored is not None:
                self._tell(lease.delivery, stored)
        finally:
            naming.unname(named)
            self._over(lease, ending)

    def _over(self, lease: _Lease, ending: Ending) -> None:
        self._ports.under_way.end(lease.delivery.id, lease.control)
        lease.control.recorded.open()
        ending.recorded()

    def _course(
        self, claimed: Claimed, mailing: Mailing | None, control: AttemptControl
    ) -> Course:
        delivery = claimed.delivery
        try:
            if self._is_abandoned(delivery):
                return for_all(delivery, _CALLER_GONE, Phase.QUEUE)
            if mailing is None and claimed.content is not None:
                mailing = Mailing(delivery, claimed.content)
            if mailing is None:
                return for_all(delivery, _CONTENT_GONE, Phase.COMPOSE)
            return self._with_leave(mailing, control)
        except DamagedOctets:
            return for_all(delivery, _CONTENT_GONE, Phase.COMPOSE)
        except Exception:  # noqa: BLE001  a bug must end as a recorded failure
            incident = uuid.uuid4().hex
            _log.exception("delivery.bug", incident=incident, delivery=delivery.id)
            return for_all(delivery, _bug(incident, control), Phase.UNSPECIFIED)

    def _with_leave(self, mailing: Mailing, control: AttemptControl) -> Course:
        delivery = mailing.delivery
        leave = self._leave(delivery)
        if leave.refusal is not None:
            return for_all(delivery, leave.refusal, Phase.QUEUE)
        course = make_attempt(self._ports.relays[delivery.relay], mailing, control)
        found = course.findings.values()
        if leave.spent and all(f.found is Found.LEFT_ALONE for f in found):
            leave.give_back()
        return course

    def _leave(self, delivery: Delivery) -> Leave:
        """Leave to send, however long the store is away: without it nothing is."""
        while True:
            try:
                return self._ports.leave(delivery)
            except PostroomError as error:
                _log.warning(
                    "delivery.no_leave_yet", delivery=delivery.id, reason=error.reason
                )
                if self._recording.pause():
                    return Leave(_CLOSING)

    def _is_abandoned(self, delivery: Delivery) -> bool:
        if delivery.plan.completion is not Completion.RELAYED:
            return False
        ports = self._ports
        return ports.waits.limit(delivery.id) is None and not ports.awaited(delivery)

    def _conclusion(self, lease: _Lease, course: Course) -> Conclusion:
        cancelled = lease.control.conclude()
        lease.learn_if_marked(self._recording.record)
        ports, delivery = self._ports, lease.delivery
        situation = Situation(
            now=ports.clock.now(),
            patience=self._patience(delivery.id),
            chance=ports.chance,
            cancelled=cancelled,
        )
        decision = decide(delivery, course.findings, situation)
        return Conclusion(delivery, course, decision, situation)

    def _stored(self, lease: _Lease, outcome: Outcome, told: Told) -> Outcome | None:
        """See that it is stored; None: it is stale, or stays under way."""
        try:
            kept, saved = self._recording.end(outcome, told)
        except Exception:  # noqa: BLE001  it stays under way, and the next start settles it
            _log.exception("delivery.not_recorded", delivery=lease.delivery.id)
            return None
        if kept is Kept.LEFT:
            return None
        # Who settled what is stale has asked already whether it was marked.
        lease.clear_mark()
        return saved if kept is Kept.STORED else None

    def _tell(self, delivery: Delivery, stored: Outcome) -> None:
        """Tell of it; who fails to hear takes nothing from what is stored."""
        try:
            self._tell_all(delivery, stored)
        except Exception:  # noqa: BLE001  it is recorded, whoever hears
            _log.exception("delivery.not_told_ended", delivery=delivery.id)

    def _tell_all(self, delivery: Delivery, stored: Outcome) -> None:
        change, conclusion = stored.change, stored.conclusion
        if conclusion.situation.patience is None and _may_be_awaited(delivery):
            self._ports.tell(delivery.id)
        if change.after.due_at is not None:
            self._schedule(change.after)
        try:
            self._ports.observe(change.after, conclusion.course)
        finally:
            news = News(change.after, conclusion.decision.answers_now)
            self._ports.waits.post(news)

    def _schedule(self, delivery: Delivery) -> None:
        """It goes on, unless it was taken back: who was told so relies on it."""
        while True:
            try:
                return self._ports.scheduled(delivery)
            except PostroomError as error:
                _log.warning("delivery.others_unheard", reason=error.reason)
                if self._recording.pause():
                    return None

    def _patience(self, delivery_id: str) -> float | None:
        limit = self._ports.waits.limit(delivery_id)
        return None if limit is None else limit - self._ports.clock.monotonic()


class _Lease:
    """The delivery whose attempt is ours, and the mark of its point of no return."""

    def __init__(self, delivery: Delivery, ports: Ports) -> None:
        self.delivery = delivery
        self._ports = ports
        self._slot: int | None = None
        self._in_doubt: Change | None = None
        relayed = delivery.plan.completion is Completion.RELAYED
        self.control = AttemptControl(
            limit=self._limit if relayed else _no_limit,
            mark=self._mark,
            number=delivery.attempts_made,
        )

    def clear_mark(self) -> None:
        if self._slot is not None:
            self._ports.marks.clear(self._slot)
            self._slot = None

    def learn_if_marked(self, record: Callable[[Change], Kept]) -> None:
        """Find out about a durable mark that the store did not answer for."""
        in_doubt = self._in_doubt
        if in_doubt is not None and record(in_doubt) is Kept.STORED:
            self.delivery = in_doubt.after

    def _limit(self) -> float:
        """Until when anyone waits; a relayed send without a caller has no time left."""
        limit = self._ports.waits.limit(self.delivery.id)
        return -math.inf if limit is None else limit

    def _mark(self) -> bool:
        """Note the point of no return; False if that can't be done."""
        try:
            if not self._ports.outbox.holds(self.delivery):
                _log.error("delivery.lease_lost", delivery=self.delivery.id)
                return False
            if self._slot is None:
                version = self.delivery.version
                self._slot = self._ports.marks.mark(self.delivery.id, version)
            held = self.delivery.plan.holds_when_uncertain
            return self._mark_durably() if held else True
        except PostroomError as error:
            _log.warning(
                "delivery.not_marked", delivery=self.delivery.id, reason=error.reason
            )
            return False

    def _mark_durably(self) -> bool:
        if self.delivery.data_marked:
            return True
        self._in_doubt = change = mark_data(self.delivery)
        stored = self._ports.outbox.save(change)
        self._in_doubt = None
        if stored:
            self.delivery = change.after
        return stored


def _may_be_awaited(delivery: Delivery) -> bool:
    return delivery.plan.completion is Completion.RELAYED_OR_QUEUED


def _no_limit() -> None:
    return None


def _bug(incident: str, control: AttemptControl) -> Finding:
    found = Found.UNCERTAIN if control.past_end_of_data else Found.FAILED
    detail = f"internal error, incident {incident}"
    return Finding(found, FailureReason.INTERNAL, detail=detail)


_CALLER_GONE = Finding(
    Found.CALLED_OFF, FailureReason.DEADLINE, detail="the caller went away"
)
_CLOSING = Finding(Found.CALLED_OFF, FailureReason.DEADLINE, detail="the service ends")
_CONTENT_GONE = Finding(
    Found.FAILED, FailureReason.INTERNAL, detail="the content can't be read"
)
