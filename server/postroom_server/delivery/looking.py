"""Looking after deliveries: find, list, take back, move, go on."""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom_server.delivery import journal
from postroom_server.delivery.caller import Caller
from postroom_server.delivery.cancelling import CancelElsewhere
from postroom_server.delivery.control import AttemptControl, UnderWay
from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.fingerprint import of_values
from postroom_server.delivery.options import (
    expiry_problems,
    request_id_problems,
    send_at_problems,
    wait_problems,
)
from postroom_server.delivery.reopening import RetryRequest, retried
from postroom_server.delivery.request_ids import Use, record_of, refuse_another
from postroom_server.delivery.rescheduling import RescheduleRequest, rescheduled
from postroom_server.delivery.senders import check_going_on
from postroom_server.delivery.sending import (
    Answer,
    Sending,
    Waiting,
    refuse_relayed,
)
from postroom_server.delivery.starts import Start
from postroom_server.delivery.waits import News, WaitRoom
from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.errors import (
    DeliveryNotFound,
    InvalidArgument,
    Overloaded,
    Problem,
    TooLate,
)
from postroom_server.domain.limits import Limits
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Fate, settle_open
from postroom_server.outbox.fleet import Alone, Fleet, Reaction
from postroom_server.outbox.store import Outbox, RequestRecord

RECORDING = 5.0
"""Seconds to wait for an outcome that is just being stored."""
STOPPING = 0.1
"""Seconds that an attempt gets to end which was called off, so that it can be told."""
TRIES = 16
"""A change is made on what was just read; so often may someone else be faster."""

CANCEL = "CancelDelivery"
RETRY = "RetryDelivery"
RESCHEDULE = "RescheduleDelivery"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """*pending*: an attempt is under way and stops if it still can."""

    delivery: Delivery
    pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What callers may do with deliveries once they exist."""

    outbox: Outbox
    sending: Sending
    dispatcher: Dispatcher
    waits: WaitRoom
    under_way: UnderWay
    clock: Clock
    limits: Limits
    fleet: Fleet = field(default_factory=Alone)

    @property
    def _asking(self) -> CancelElsewhere:
        return CancelElsewhere(self.outbox, self.fleet, self.waits, self.clock)

    def get(self, tenant: str, delivery_id: str) -> Delivery:
        """The delivery; raises `DeliveryNotFound`."""
        delivery = self.outbox.get(tenant, delivery_id)
        if delivery is None:
            raise DeliveryNotFound(f"deliveries/{delivery_id}")
        journal.bind(delivery)
        return delivery

    def find(self, tenant: str, request_id: str) -> Delivery:
        """The delivery that *request_id* made; raises `DeliveryNotFound`."""
        used = self.outbox.find(tenant, request_id)
        if used is None or used.method in {CANCEL, RETRY, RESCHEDULE}:
            raise DeliveryNotFound(request_id)
        return self.get(tenant, used.delivery_id)

    def cancel(self, tenant: str, delivery_id: str, request_id: str) -> Cancellation:
        """Take back what is not sent yet; raises `TooLate`."""
        _refuse(*request_id_problems(request_id))
        use = Use(CANCEL, of_values(delivery=delivery_id), delivery_id)
        now = self.clock.now()
        request = record_of((tenant, request_id), use, now, self.limits)
        if request is not None and self._used(request):
            done_before = self.get(tenant, delivery_id)
            return Cancellation(done_before, pending=not done_before.status.is_final)
        for _ in range(TRIES):
            delivery = self.get(tenant, delivery_id)
            done = self._try_to_cancel(delivery, request)
            if done is not None:
                return done
        raise Overloaded("the delivery changes too fast")

    def reschedule(self, request: RescheduleRequest) -> Answer:
        """Move what waits to another time; raises `TooLate`."""
        now = self.clock.now()
        _refuse(
            *request_id_problems(request.request_id),
            *send_at_problems(request.send_at, now, self.limits),
            *expiry_problems(request.expire_at, now, self.limits, request.send_at),
        )
        use = Use(RESCHEDULE, _moved_to(request), request.delivery_id)
        caller_id = (request.tenant, request.request_id)
        record = record_of(caller_id, use, now, self.limits)
        for _ in range(TRIES):
            delivery = self.get(request.tenant, request.delivery_id)
            if record is not None and self._used(record):
                return Answer(delivery, replayed=True)
            moved = rescheduled(delivery, request, now, self.limits)
            if self.outbox.save(moved, request=record):
                self._tell_moved(moved.after, now)
                return Answer(moved.after)
        raise Overloaded("the delivery changes too fast")

    def _tell_moved(self, delivery: Delivery, now: Instant) -> None:
        """Whoever waits for it hears that it goes later, if it does."""
        self.dispatcher.hear(delivery)
        later = delivery.due_at is not None and delivery.due_at > now
        self.waits.post(News(delivery, answers_now=later))

    def retry(self, request: RetryRequest, caller: Caller) -> Answer:
        """Go on with recipients that are open, or settle them."""
        now = self.clock.now()
        _refuse(
            *request_id_problems(request.request_id),
            *wait_problems(request.wait_timeout, self.limits),
            *expiry_problems(request.expire_at, now, self.limits),
        )
        use = Use(RETRY, _meaning(request), request.delivery_id)
        caller_id = (request.tenant, request.request_id)
        record = record_of(caller_id, use, now, self.limits)
        asked = Waiting(request.completion or Completion.RELAYED, request.wait_timeout)
        found = self.get(request.tenant, request.delivery_id)
        repeated = record is not None and self._used(record)
        if not repeated and self._start(found, request, caller, asked) is Start.LATER:
            asked = Waiting(Completion.ACCEPTED)
        with self.sending.place(found, caller, asked) as wait:
            repeated = record is not None and self._used(record)
            if wait is None and not repeated:
                refuse_relayed(asked.completion, found.relay)
            reopened = None if repeated else self._reopen(request, record)
            caller.accepted()
            delivery = reopened or self.get(request.tenant, request.delivery_id)
            answer = self.sending.answer(wait, delivery)
            return Answer(answer, replayed=reopened is None)

    def _start(
        self, delivery: Delivery, request: RetryRequest, caller: Caller, asked: Waiting
    ) -> Start:
        """When it goes on, by the rules of new mail; raises where it can't."""
        change = retried(delivery, request, self.clock.now(), self.limits)
        if change.after.due_at is None:
            return Start.NOW
        # One that was taken out of the configuration since can't be asked.
        self.sending.relays.find(delivery.relay_name)
        start = self.sending.start(change.after, caller, asked)
        if start is Start.HERE:
            gate = self.sending.starts.gates[delivery.relay]
            why = f"{gate.relay.name} is left alone after it failed, or refuses us"
            raise Overloaded(why, gate.wait())
        return start

    def _try_to_cancel(
        self, delivery: Delivery, request: RequestRecord | None
    ) -> Cancellation | None:
        if delivery.leased_at is not None:
            return self._break_off(delivery, request)
        if delivery.status.is_final and _was_cancelled(delivery):
            return Cancellation(delivery)
        if delivery.status.is_final:
            why = f"it is {delivery.status.name} already"
            raise TooLate(_too_late(why), delivery.name)
        fate = Fate(status=RecipientStatus.CANCELLED)
        change = settle_open(delivery, fate, self.clock.now())
        if not self.outbox.save(change, request=request):
            return None
        self.waits.post(News(change.after, answers_now=True))
        return Cancellation(change.after)

    def _break_off(
        self, delivery: Delivery, request: RequestRecord | None
    ) -> Cancellation | None:
        control = self.under_way.get(delivery.id)
        if control is None and not self.fleet.is_alone:
            found = self._asking.ask(delivery)
            if found is not Reaction.NOT_THERE:
                return self._asked(delivery, request, found)
        if control is None:
            # Claimed and not begun, or ended and not yet read: look again.
            self.under_way.changed(RECORDING / TRIES)
            return None
        if control.call_off(cancelled=True):
            if request is not None:
                self.outbox.remember(request)
            return self._stopped(delivery, control)
        if control.past_end_of_data:
            raise TooLate(_too_late("all of it was sent to the relay"), delivery.name)
        control.recorded.wait(RECORDING)
        return None

    def _asked(
        self, delivery: Delivery, request: RequestRecord | None, found: Reaction | None
    ) -> Cancellation | None:
        """What the process told that makes the attempt; None: look again."""
        if found is Reaction.TOO_LATE:
            raise TooLate(_too_late("all of it was sent to the relay"), delivery.name)
        if found is None:
            return None
        if request is not None:
            self.outbox.remember(request)
        return Cancellation(delivery, pending=True)

    def _stopped(self, delivery: Delivery, control: AttemptControl) -> Cancellation:
        """Called off in time: mostly it ends at once, and can be told so."""
        control.recorded.wait(STOPPING)
        now = self.get(delivery.tenant, delivery.id)
        return Cancellation(now, pending=not now.status.is_final)

    def _reopen(
        self, request: RetryRequest, record: RequestRecord | None
    ) -> Delivery | None:
        """The delivery once it goes on; None if a twin of the request saw to it."""
        for _ in range(TRIES):
            delivery = self.get(request.tenant, request.delivery_id)
            if record is not None and self._used(record):
                return None
            now = self.clock.now()
            change = retried(delivery, request, now, self.limits)
            if change.after.due_at is not None:
                check_going_on(request.senders, delivery.id, self.outbox)
            if self.outbox.save(change, request=record):
                self.dispatcher.hear(change.after)
                return change.after
        raise Overloaded("the delivery changes too fast")

    def _used(self, request: RequestRecord) -> bool:
        """Whether the request was made before; raises `RequestIdReused`."""
        used = self.outbox.find(request.tenant, request.request_id)
        if used is None:
            return False
        refuse_another(used, request.method, request.fingerprint)
        return True


def _was_cancelled(delivery: Delivery) -> bool:
    """Whether what was still open then was taken back; others may have had it."""
    return any(r.status is RecipientStatus.CANCELLED for r in delivery.recipients)


def _too_late(why: str) -> str:
    return f"the mail can't be taken back: {why}"


def _meaning(request: RetryRequest) -> bytes:
    return of_values(
        delivery=request.delivery_id,
        settlement=request.settlement,
        completion=request.completion,
        expire_at=request.expire_at,
        recipients=sorted(request.recipients),
    )


def _moved_to(request: RescheduleRequest) -> bytes:
    return of_values(
        delivery=request.delivery_id,
        send_at=request.send_at,
        expire_at=request.expire_at,
    )


def _refuse(*problems: Problem) -> None:
    if problems:
        raise InvalidArgument(problems)
