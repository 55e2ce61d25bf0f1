"""`SendMessage`: the one path from a request to an answer, and its repetition.

A request id that was used before gives the delivery's state now, joins an attempt in
flight, or goes on with what is still open; it never makes a second mail.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from functools import partial

from postroom_server.delivery import journal
from postroom_server.delivery.afar import look_at_once
from postroom_server.delivery.caller import Caller
from postroom_server.delivery.dispatcher import Dispatcher
from postroom_server.delivery.fingerprint import fingerprint
from postroom_server.delivery.handing_over import STORING, HandOver
from postroom_server.delivery.intake import Intake, Ready, report
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.relays import Relays
from postroom_server.delivery.reopening import resumed
from postroom_server.delivery.request_ids import Use, record_of, refuse_another
from postroom_server.delivery.senders import check_going_on
from postroom_server.delivery.starts import Start, Starts
from postroom_server.delivery.waiting import Patience
from postroom_server.delivery.waits import Wait, WaitRoom
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import (
    DeliveryNotFound,
    Overloaded,
)
from postroom_server.domain.limits import Limits
from postroom_server.domain.submission import (
    Completion,
    Submission,
    ValidationReport,
)
from postroom_server.domain.transitions import (
    Change,
    accepted_and_begun,
    newly_accepted,
)
from postroom_server.domain.values import value
from postroom_server.outbox.store import Accepting, Claimed, Outbox, RequestRecord

METHOD = "SendMessage"


@value(frozen=True, slots=True)
class Answer:
    """What a caller gets: the delivery, and whether its request id was used before."""

    delivery: Delivery
    replayed: bool = False


@value(frozen=True, slots=True)
class Waiting:
    """What a caller waits for, and at most how long (seconds; None: no own limit)."""

    completion: Completion
    timeout: float | None = None


@value(frozen=True, slots=True)
class Prepared:
    """Mail that can be accepted: what its request id stands for, what its caller
    waits for, and when it is begun.
    """

    ready: Ready
    request: RequestRecord | None
    asked: Waiting
    start: Start


@value(frozen=True, slots=True)
class _Going:
    """The caller's place, if it has one, and whether its own thread is to deliver."""

    wait: Wait | None
    here: bool = False


@value(frozen=True, slots=True)
class Again:
    """Who makes a request again, and *waits* in a place for what was *asked*."""

    caller: Caller
    asked: Waiting
    senders: Collection[str]
    waits: bool


@value(frozen=True, slots=True, kw_only=True)
class Sending:
    """Accepts mail and waits for its fate as long as its caller wants."""

    outbox: Outbox
    relays: Relays
    intake: Intake
    dispatcher: Dispatcher
    waits: WaitRoom
    patience: Patience
    clock: Clock
    limits: Limits
    starts: Starts

    def validate(self, submission: Submission) -> ValidationReport:
        """Check and compose *submission*; nothing is stored."""
        relay = self.relays.find(submission.relay)
        return report(self.intake.prepare(submission, relay))

    def check_header(self, submission: Submission) -> None:
        """Check what of *submission* can be before its parts have come."""
        self.intake.check_header(submission, self.relays.find(submission.relay))

    def send(self, submission: Submission, caller: Caller) -> Answer:
        """Accept *submission*, see to its delivery, and answer when it is time.

        Raises a `PostroomError` when nothing was accepted.
        """
        relay = self.relays.find(submission.relay)
        print_ = fingerprint(submission, relay.name) if submission.request_id else b""
        used = self.used(submission)
        if used is not None:
            return self._repeat(used, print_, submission, caller)
        mail = self.prepare(submission, relay, caller, print_)
        delivery = mail.ready.delivery
        with self.place(delivery, caller, mail.asked) as wait:
            going = _Going(wait, here=mail.start is Start.HERE)
            accepted = self._accept(mail.ready, mail.request, caller, going)
            if isinstance(accepted, Delivery):
                return Answer(self.answer(wait, accepted))
        return self._repeat(accepted, print_, submission, caller)

    def prepare(
        self, submission: Submission, relay: Relay, caller: Caller, print_: bytes
    ) -> Prepared:
        """*submission* made ready; raises a `PostroomError` if it can't be accepted."""
        ready = self.intake.prepare(submission, relay)
        delivery = ready.delivery
        request = record_of(
            (submission.tenant, submission.request_id),
            Use(METHOD, print_, delivery.id),
            delivery.accepted_at,
            self.limits,
        )
        asked = Waiting(delivery.plan.completion, submission.wait_timeout)
        start = self.start(delivery, caller, asked)
        if start is Start.LATER:
            asked = Waiting(Completion.ACCEPTED)
        return Prepared(ready, request, asked, start)

    def place(self, delivery: Delivery, caller: Caller, asked: Waiting) -> _Place:
        """Where *caller* waits for news of *delivery*; None: it will not.

        To be taken before anything is begun or looked at, so that no news is missed
        and no relayed send finds nobody waiting.
        """
        if asked.completion is Completion.ACCEPTED:
            return _Place(self.waits, None)
        limit = self.until(caller, asked)
        wait = self.waits.enter(delivery.id, delivery.relay, limit, delivery.tenant)
        if wait is not None:
            caller.on_leave(wait.leave)
        return _Place(self.waits, wait)

    def start(
        self, delivery: Delivery, caller: Caller, asked: Waiting, placed: int = 0
    ) -> Start:
        """When *delivery* is begun; raises as `Starts.of` where *caller* waits in vain.

        To be asked before anything is stored.  *placed* is 1 for who has a place.
        """
        patience = self.until(caller, asked) - self.clock.monotonic()
        waiting = self.waits.count(delivery.relay) - placed
        ahead = max(0, waiting - self.dispatcher.under_way(delivery.relay))
        return self.starts.of(delivery, asked.completion, patience, ahead)

    def answer(self, wait: Wait | None, delivery: Delivery) -> Delivery:
        """*delivery* when it is worth an answer to who waits in *wait*."""
        return delivery if wait is None else self.patience.wait(wait, delivery)

    def until(self, caller: Caller, asked: Waiting) -> float:
        """The monotonic instant at which *caller* is answered at the latest."""
        own = self.clock.monotonic() + (asked.timeout or self.limits.max_wait)
        return min(own, caller.limit)

    def _accept(
        self,
        ready: Ready,
        request: RequestRecord | None,
        caller: Caller,
        going: _Going,
    ) -> Delivery | RequestRecord:
        """Make it durable and see to its delivery; a record: it is a repetition."""
        if going.wait is None:
            refuse_relayed(ready.delivery.plan.completion, ready.delivery.relay)
        here = going.wait is not None and going.here
        reserved = not here and self.reserve(ready.delivery)
        if reserved and going.wait is not None:
            return self._hand_over(ready, request, caller, going.wait)
        used: RequestRecord | None = None
        stored = False
        try:
            change = accepted_now(ready.delivery, leased=here or reserved)
            patience = caller.limit - self.clock.monotonic()
            used = self.outbox.accept(change, ready.content, request, patience=patience)
            stored = used is None
        finally:
            if reserved and not stored:
                self.give_back(ready.delivery)
        if used is not None:
            return used
        journal.bind(ready.delivery)
        caller.accepted()
        self.begin(change.after, ready, here=here, reserved=reserved)
        # Who does not wait is told what was accepted: it is queued.
        return ready.delivery if going.wait is None else change.after

    def _hand_over(
        self, ready: Ready, request: RequestRecord | None, caller: Caller, wait: Wait
    ) -> Delivery | RequestRecord:
        """The same for mail that has a slot, and whose caller waits."""
        give_back = partial(self.give_back, ready.delivery)
        try:
            change = accepted_now(ready.delivery, leased=True)
            handed = HandOver(ready, change.after, caller, wait, give_back)
            accepting = self.outbox.begin_accept(
                change, ready.content, request, partial(self._pass_on, handed)
            )
        except BaseException:
            give_back()
            raise
        until = min(caller.limit, self.clock.monotonic() + STORING)
        used = handed.outcome(accepting, until, self.clock)
        if used is not None:
            return used
        journal.bind(ready.delivery)
        return change.after

    def _pass_on(self, handed: HandOver, accepting: Accepting) -> None:
        take = partial(handed.take, accepting)
        if not self.dispatcher.begin_taking(handed.accepted, take):
            handed.lost()

    def reserve(self, delivery: Delivery) -> bool:
        """Take a slot for *delivery*, which just came; False where it must queue.

        What has one is stored once less: it need not be claimed.
        """
        later = delivery.send_at is not None
        return not later and self.dispatcher.reserve(delivery.relay, delivery.tenant)

    def give_back(self, delivery: Delivery) -> None:
        """Free the slot that `reserve` took, and nothing was begun in."""
        self.dispatcher.give_back(delivery.relay, {delivery.tenant: 1})

    def begin(
        self, delivery: Delivery, ready: Ready, *, here: bool, reserved: bool
    ) -> None:
        """See to the delivery of *ready*, which was stored as *delivery*."""
        claimed = Claimed(delivery, ready.content)
        if here:
            self.dispatcher.begin_here(claimed, ready.mailing)
        elif reserved:
            self.dispatcher.begin(claimed, ready.mailing)
        else:
            self.dispatcher.hear(delivery)

    def used(self, submission: Submission) -> RequestRecord | None:
        """What the request id of *submission* was used for, if it was."""
        if not submission.request_id:
            return None
        return self.outbox.find(submission.tenant, submission.request_id)

    def _repeat(
        self, used: RequestRecord, print_: bytes, submission: Submission, caller: Caller
    ) -> Answer:
        delivery = self.twin(used, print_)
        journal.bind(delivery)
        caller.accepted()
        asked = Waiting(delivery.plan.completion, submission.wait_timeout)
        with self.place(delivery, caller, asked) as wait:
            look_at_once(wait)
            again = Again(caller, asked, submission.senders, waits=wait is not None)
            now, waits = self.gone_on(delivery, again)
            return Answer(self.answer(wait if waits else None, now), replayed=True)

    def twin(self, used: RequestRecord, print_: bytes) -> Delivery:
        """The delivery that the same request made before.

        Raises `RequestIdReused` if it was another, and `DeliveryNotFound`.
        """
        refuse_another(used, METHOD, print_)
        delivery = self.outbox.get(used.tenant, used.delivery_id)
        if delivery is None:
            raise DeliveryNotFound(f"deliveries/{used.delivery_id}")
        return delivery

    def gone_on(self, delivery: Delivery, again: Again) -> tuple[Delivery, bool]:
        """The delivery now, gone on with if that is the caller's to ask for.

        And whether the caller waits for news of it.  Raises as `start`.
        """
        # What happened before we waited is in no news.
        now = self.outbox.get(delivery.tenant, delivery.id) or delivery
        if not now.is_retryable or now.content_purged:
            return now, again.waits
        check_going_on(again.senders, now.id, self.outbox)
        start = self.start(now, again.caller, again.asked, int(again.waits))
        if start is Start.HERE:
            return now, False
        if not again.waits:
            refuse_relayed(now.plan.completion, now.relay)
        return self._resume(now), again.waits and start is Start.NOW

    def _resume(self, delivery: Delivery) -> Delivery:
        """Go on with the recipients that are still open, as RetryDelivery would."""
        now = self.clock.now()
        change = resumed(delivery, now, self.limits)
        if not self.outbox.save(change):
            # A twin was faster; its attempt is ours too.
            return self.outbox.get(delivery.tenant, delivery.id) or delivery
        self.dispatcher.hear(change.after)
        return change.after


class _Place(AbstractContextManager[Wait | None]):
    """A place in the room *waits* for the length of a ``with`` block, if there is one.

    A generator would do, at three times the price.
    """

    __slots__ = ("_wait", "_waits")

    def __init__(self, waits: WaitRoom, wait: Wait | None) -> None:
        self._waits = waits
        self._wait = wait

    def __enter__(self) -> Wait | None:
        return self._wait

    def __exit__(self, *_failure: object) -> None:
        if self._wait is not None:
            self._waits.leave(self._wait)


def refuse_relayed(completion: Completion, relay: str) -> None:
    """Raise `Overloaded` where mail that needs a caller would have none."""
    if completion is Completion.RELAYED:
        raise Overloaded(f"too many callers wait for relays/{relay}")


def accepted_now(delivery: Delivery, *, leased: bool) -> Change:
    """*delivery* as it is stored first; *leased*: its first attempt has begun."""
    return accepted_and_begun(delivery) if leased else newly_accepted(delivery)
