"""Sending without a thread for each mail: many may wait, and few threads see to them.

Who posts a mail prepares it and has it stored, and waits for neither.  One thread,
"postroom-posting", hears what becomes of all of them: stored, news, its time is over.
It never blocks; what may (giving up, a repetition, a relay that will not be asked) is
done by `LOOKERS` others.

A mail has one owner at a time, so that no lock guards it: who posts it, until it stands
for a slot or is given to the store; who takes it out of its line; then the thread that
hears; and another as long as it looks.  Once it is begun, whoever brings news that is
an answer takes it and tells its caller: the thread that hears is not woken for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from postroom_server.delivery.caller import Caller
from postroom_server.delivery.dispatcher import Slot
from postroom_server.delivery.fingerprint import fingerprint
from postroom_server.delivery.handing_over import STORING
from postroom_server.delivery.hearing import Duties, Event, Hearing
from postroom_server.delivery.line_start import (
    Fates,
    LineStart,
    begin_storing,
    give_slot_back,
)
from postroom_server.delivery.posted import Done, Posted, Stage
from postroom_server.delivery.sending import (
    Again,
    Answer,
    Sending,
    Waiting,
)
from postroom_server.delivery.standing import Standing
from postroom_server.delivery.starts import Start
from postroom_server.delivery.teller import Teller
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import NotReady, PostroomError
from postroom_server.domain.submission import Completion, Submission
from postroom_server.outbox.store import Accepting, RequestRecord

LOOKERS = 8
"""Threads for what may block; they share commits of the store."""


class Posting:
    """Sends by *sending*, and tells what became of each mail; thread-safe."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._clock = sending.clock
        self._standing = Standing(
            sending.dispatcher, sending.clock, shared=sending.outbox.is_shared
        )
        self._given: deque[tuple[Posted, Accepting | None]] = deque()
        self._lookers = ThreadPoolExecutor(LOOKERS, "postroom-posting")
        self._hearing: Hearing[Posted] = Hearing(
            "postroom-posting",
            Duties(self._overdue, self._take_in, self._is_watched),
            sending.clock,
        )

        tell = self._hearing.tell
        self._teller = Teller(
            sending.waits,
            hear=lambda posted: tell(partial(self._heard, posted)),
            # A time may be set for it, which is taken back at the next look.
            answered=lambda posted: self._given.append((posted, None)),
        )
        fates = Fates(
            storing=self._storing_there,
            begun=self._begun_there,
            queued=self._queue,
            refused=lambda posted, error: tell(partial(self._end, posted, error)),
            used=lambda posted, used: tell(partial(self._used, posted, used)),
        )
        self.following = LineStart(sending, self._standing, fates)
        """What a thread of a relay is to deliver next."""

    def start(self) -> None:
        """Begin to hear."""
        self._hearing.start()

    def close(self) -> None:
        """End the threads; whoever was not told yet is not told any more."""
        self._lookers.shutdown(wait=True)
        self._hearing.close()

    def post(self, submission: Submission, caller: Caller, done: Done) -> None:
        """Accept *submission* and see to its delivery, as `Sending.send` does.

        *done* is told once, by any thread, and must not block.  Raises a
        `PostroomError` when it is known at once that nothing is accepted.
        """
        relay = self._sending.relays.find(submission.relay)
        print_ = fingerprint(submission, relay.name) if submission.request_id else b""
        posted = Posted(
            caller, done, print_, submission.wait_timeout, submission.senders
        )
        try:
            mail = self._sending.prepare(submission, relay, caller, print_)
        except PostroomError:
            # A repetition is answered even where it could not be accepted now.
            used = self._sending.used(submission)
            if used is None:
                raise
            self._block(posted, partial(self._repeat, posted, used))
            return
        self._place(posted, mail.ready.delivery, mail.asked)
        posted.begin(mail)
        if posted.wait is None:
            posted.reserved = self._sending.reserve(posted.delivery)
            self._store(posted, leased=posted.reserved)
            return
        if mail.start is Start.HERE:
            self._store(posted, leased=True)
            return
        # Set first: whoever is done with another may take it up at once.
        posted.stage = Stage.STANDING
        slot = self._standing.enter(posted)
        if slot is Slot.FULL:
            self._hearing.look_soon()
            return
        if slot is Slot.TAKEN:
            self._begin_there(posted)
        else:
            self._store(posted, leased=False)

    def _begin_there(self, posted: Posted) -> None:
        try:
            self.following.begin(posted)
        except BaseException:
            self._teller.leave(posted)
            raise

    def _storing_there(self, posted: Posted, accepting: Accepting) -> None:
        self._given.append((posted, accepting))
        self._hearing.look_soon()

    def _begun_there(self, posted: Posted) -> None:
        self._given.append((posted, None))
        self._hearing.look_soon()

    def _queue(self, posted: Posted) -> None:
        """Have *posted* wait its turn in the store."""
        try:
            self._store(posted, leased=False)
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            self._hearing.tell(partial(self._end, posted, error))

    def _store(self, posted: Posted, *, leased: bool) -> None:
        try:
            accepting = begin_storing(
                posted, self._sending, self._on_stored, leased=leased
            )
        except BaseException:
            self._teller.leave(posted)
            raise
        self._storing_there(posted, accepting)

    def _place(self, posted: Posted, delivery: Delivery, asked: Waiting) -> None:
        """Have *posted* wait for news of *delivery*, if it is to."""
        if asked.completion is Completion.ACCEPTED:
            return
        limit = self._sending.until(posted.caller, asked)
        bell = partial(self._teller.ring, posted)
        posted.wait = self._sending.waits.enter(
            delivery.id, delivery.relay, limit, delivery.tenant, bell=bell
        )
        if posted.wait is not None:
            posted.caller.on_leave(posted.wait.leave)

    def _on_stored(self, posted: Posted, accepting: Accepting) -> None:
        self._hearing.tell(partial(self._stored, posted, accepting))

    # From here on: what the thread that hears does.

    def _is_watched(self) -> bool:
        return bool(self._given or self._standing)

    def _take_in(self) -> None:
        """Bound the time of what stands, of what the store still has, and of what was
        begun and not heard of since.
        """
        for late in self._standing.late():
            self._queue(late)
        self._standing.take_up()
        while self._given:
            posted, accepting = self._given.popleft()
            if posted.stage is Stage.BEGUN:
                self._await(posted)
            elif posted.stage is Stage.STORING and accepting is not None:
                self._storing(posted, accepting)
            elif posted.stage is Stage.ANSWERED:
                self._hearing.drop(posted)

    def _storing(self, posted: Posted, accepting: Accepting) -> None:
        posted.accepting = accepting
        wait, at_most = posted.wait, self._clock.monotonic() + STORING
        until = min(wait.limit if wait else posted.caller.limit, at_most)
        self._hearing.set(posted, until)

    def _stored(self, posted: Posted, accepting: Accepting) -> None:
        if posted.stage is not Stage.STORING:
            return
        try:
            used = accepting.result()
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            self._refuse(posted, error)
            return
        if used is not None:
            give_slot_back(posted, self._sending)
            self._used(posted, used)
            return
        posted.caller.accepted()
        if posted.is_here:
            self._block(posted, partial(self._begin_here, posted))
            return
        # Set first: its answer may come before this goes on.
        posted.stage = Stage.BEGUN
        self._begin(posted)
        # Who came in last may have missed the bell of those who leave.
        posted.rung = posted.rung or self._sending.waits.closing
        self._await(posted)

    def _used(self, posted: Posted, used: RequestRecord) -> None:
        """The same request came before, for that."""
        self._teller.leave(posted)
        self._block(posted, partial(self._repeat, posted, used))

    def _begin(self, posted: Posted, *, here: bool = False) -> None:
        ready = posted.take_mail().ready
        reserved = posted.reserved
        self._sending.begin(posted.delivery, ready, here=here, reserved=reserved)
        if posted.wait is None:
            # Its caller is told what was accepted: it is queued.
            posted.tell(ready.delivery)

    def _await(self, posted: Posted) -> None:
        """There is no answer for *posted* yet, as far as was looked."""
        wait, delivery = posted.wait, posted.delivery
        if wait is None:
            self._end(posted, Answer(delivery, replayed=posted.replayed))
            return
        posted.stage = Stage.WAITING
        self._hearing.set(posted, self._sending.patience.until(wait, delivery))
        if posted.is_taken:
            # It was answered meanwhile.
            self._hearing.drop(posted)
        elif posted.rung:
            self._heard(posted)

    def _heard(self, posted: Posted) -> None:
        """There is news, here or elsewhere, or its caller has left, or no attempt is
        begun any more.
        """
        wait = posted.wait
        if wait is None:
            return
        if posted.stage is Stage.STANDING and self._standing.remove(posted):
            self._queue(posted)
            return
        stage = posted.stage
        posted.rung = stage is not Stage.WAITING and stage is not Stage.BEGUN
        if posted.rung:
            return
        answer = wait.answer(posted.delivery)
        if answer is not None:
            self._end(posted, Answer(answer, replayed=posted.replayed))
        elif wait.left or wait.nudged or self._sending.waits.closing:
            self._look(posted)

    def _overdue(self, posted: Posted) -> None:
        if posted.stage is Stage.WAITING:
            self._look(posted)
        elif posted.stage is Stage.BEGUN:
            self._await(posted)
        elif posted.stage is Stage.STORING and posted.accepting is not None:
            try:
                posted.accepting.withdraw()
            except NotReady as error:
                self._refuse(posted, error)

    def _look(self, posted: Posted) -> None:
        self._block(posted, partial(self._looking, posted))

    def _looked(self, posted: Posted, found: Delivery | Exception | None) -> None:
        posted.free()
        if found is None:
            self._await(posted)
        elif isinstance(found, Exception):
            self._end(posted, found)
        else:
            self._end(posted, Answer(found, replayed=posted.replayed))

    def _refuse(self, posted: Posted, error: Exception) -> None:
        give_slot_back(posted, self._sending)
        self._end(posted, error)

    def _end(self, posted: Posted, outcome: Answer | Exception) -> None:
        if posted.take():
            self._hearing.drop(posted)
            self._teller.tell(posted, outcome)

    # What may block.

    def _block(self, posted: Posted, work: Callable[[], Delivery | None]) -> None:
        if not posted.take():
            return
        posted.stage = Stage.LOOKED_AT
        self._hearing.drop(posted)
        # Refused when the service closes, and with it the call that would be told.
        with suppress(RuntimeError):
            self._lookers.submit(self._blocking, posted, work)

    def _blocking(self, posted: Posted, work: Callable[[], Delivery | None]) -> None:
        try:
            told: Event = partial(self._looked, posted, work())
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            told = partial(self._looked, posted, error)
        self._hearing.tell(told)

    def _looking(self, posted: Posted) -> Delivery | None:
        wait = posted.wait
        assert wait is not None
        return self._sending.patience.look(wait, posted.delivery)

    def _begin_here(self, posted: Posted) -> Delivery | None:
        self._begin(posted, here=True)
        return self._looking(posted)

    def _repeat(self, posted: Posted, used: RequestRecord) -> Delivery | None:
        """Join what the same request made before; None: there is no answer yet."""
        delivery = self._sending.twin(used, posted.fingerprint)
        posted.caller.accepted()
        asked = Waiting(delivery.plan.completion, posted.wait_timeout)
        self._place(posted, delivery, asked)
        placed = posted.wait is not None
        again = Again(posted.caller, asked, posted.senders, placed)
        now, waits = self._sending.gone_on(delivery, again)
        posted.gone_on(now)
        return self._looking(posted) if waits else posted.delivery
