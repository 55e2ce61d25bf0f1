"""Several transactions under way in one session, in the order of their replies.

A relay answers in the order in which it was told (RFC 2920 §3.2), so each transaction
has a place in a line: it hears its replies when those before it have heard theirs, and
a reply is never taken for another's.  How far a transaction may overlap with others is
its `Overlap`; nobody begins while one that may not is under way.

What several threads want to write at about the same time leaves in one write.  When
the session breaks, each is told in turn, and finds out whether its last octet was gone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from enum import Enum

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.commands import Verb, command
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.timeouts import NO_DEADLINE, DeadlineSource, Wait
from postroom_server.smtp.transaction import Control

_MOST = 2 * 1024 * 1024
"""Octets that leave together at most."""


class Overlap(Enum):
    """What of a transaction may be said before those ahead of it are answered."""

    NONE = "nothing"
    ENVELOPE = "its envelope, behind the end of data of the one ahead"
    WHOLE = "all of it"


# By names of their own, which cost less to ask for.
NOTHING = Overlap.NONE
ENVELOPE = Overlap.ENVELOPE
WHOLE = Overlap.WHOLE


class Place:
    """One transaction's place in the line.

    *sealed*: all of it was written.  *abandoned*: nobody will hear its replies.
    """

    __slots__ = ("abandoned", "buffers", "overlap", "sealed", "size", "woken", "writes")

    def __init__(self, overlap: Overlap) -> None:
        self.overlap = overlap
        self.sealed = False
        self.abandoned = False
        self.writes = False
        self.woken: threading.Event | None = None
        self.buffers: Sequence[bytes | memoryview] = ()
        self.size = 0

    def wake(self) -> None:
        """Have whoever waits for it look again."""
        if self.woken is not None:
            self.woken.set()


class Window:
    """The line of one session; *room* is called when another could begin.

    *clean* is whether no failed transaction may still be open at the relay.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        self.room: Callable[[], None] = lambda: None
        self.clean = True
        self._dialogue = dialogue
        # Who waits here may have been called off before, and then wakes itself.
        self._lock = threading.RLock()
        self._changed: threading.Condition | None = None
        self._line: list[Place] = []
        self._entering = 0
        self._alone = 0
        self._unsealed = 0
        self._unsent: list[Place] = []
        self._writing = False
        self._broken = False
        self._retired = False
        # A link that others use must not be closed under them.
        dialogue.cut = self._cut

    @property
    def at_rest(self) -> bool:
        """Whether no transaction is under way, and none was left open."""
        with self._lock:
            idle = not self._line and not self._entering
            return idle and self.clean and not (self._broken or self._retired)

    @property
    def has_room(self) -> bool:
        """Whether another transaction could begin now."""
        with self._lock:
            taken = self._unsealed or self._alone or self._retired
            return not (taken or self._is_over)

    def enter(self, place: Place, control: Control) -> None:
        """Wait until *place*'s transaction may begin.  Raises `SessionError`."""
        alone = place.overlap is NOTHING
        with self._lock:
            if not self._may_begin(place.overlap):
                self._alone += alone
                try:
                    self._await_leave(place.overlap, control)
                finally:
                    self._alone -= alone
            quiet = not (self._line or self._entering)
            if quiet and self._dialogue.spoke_unasked() and self._dialogue.fault:
                raise self._dialogue.fault
            if place.overlap is WHOLE:
                self._entering += 1
            else:
                self._line.append(place)
                self._unsealed += 1
        if place.overlap is WHOLE:
            self.room()

    def withdraw(self) -> None:
        """One that entered with all of it will not be sent after all."""
        with self._lock:
            self._entering -= 1
            self._notify()

    def send(self, place: Place, buffers: list[bytes]) -> bool:
        """Have all of *place*'s transaction written; whether RSET was put before it.

        That is where it can't be known whether the one ahead leaves a transaction open:
        its failure must not become this one's.
        """
        with self._lock:
            self._entering -= 1
            behind = bool(self._line) or not self.clean
            self._line.append(place)
            if self._is_over:
                return behind
            self.clean = True
            place.buffers = [command(Verb.RSET), *buffers] if behind else buffers
            place.size = sum(map(len, place.buffers))
            self._unsent.append(place)
            if self._writing:
                return behind
            self._writing = True
        self._write_unsent()
        return behind

    def await_turn(self, place: Place, deadline: DeadlineSource = NO_DEADLINE) -> bool:
        """Wait until *place* may hear its replies; False if *deadline* came first.

        Then its transaction was left to its fate: the session ends with it.
        """
        wait = Wait(math.inf, deadline)
        while True:
            if place.writes:
                place.writes = False
                self._write_unsent()
            with self._lock:
                if self._is_due(place):
                    return True
                if place.writes:
                    # Told just now, when it had nothing yet to be woken by.
                    continue
                if wait.remaining() <= 0:
                    place.abandoned = True
                    return False
                woken = place.woken = place.woken or threading.Event()
            woken.wait(wait.pause())
            woken.clear()

    def seal(self, place: Place) -> None:
        """All of *place*'s transaction was written: an envelope may follow it."""
        with self._lock:
            place.sealed = True
            self._unsealed -= 1
            self._notify()
        self.room()

    def hold(self, place: Place) -> bool:
        """Keep others out until *place* leaves; False where one was written behind it.

        That one began with RSET, or the next one will.
        """
        with self._lock:
            if len(self._line) > 1:
                return False
            if self._entering:
                self.clean = False
                return False
            place.sealed = False
            place.overlap = NOTHING
            self._unsealed += 1
            return True

    def leave(self, place: Place) -> None:
        """*place*'s transaction is over, or will never be written."""
        with self._lock:
            if place.abandoned or place not in self._line:
                return
            self._line.remove(place)
            if place.overlap is not WHOLE and not place.sealed:
                self._unsealed -= 1
            while self._line and self._line[0].abandoned:
                detail = "called off before the end of data"
                self._dialogue.fail(
                    SessionError(Phase.DATA, FailureReason.DEADLINE, detail)
                )
                self._unsealed -= 1
                self._line.pop(0)
            if self._line:
                self._line[0].wake()
            elif self._is_over:
                self._dialogue.wire.close()
            self._notify()

    def is_first(self, place: Place) -> bool:
        """Whether nobody is ahead of *place*."""
        with self._lock:
            return self._line[0] is place

    def has_lost(self, place: Place) -> bool:
        """Whether the session ended before *place* could hear its replies."""
        return self._dialogue.fault is not None or (
            place.overlap is WHOLE and not place.sealed
        )

    def loss(self, place: Place) -> SessionError:
        """What it is to *place*'s transaction that the session ended before."""
        fault = self._dialogue.fault
        if place.sealed and fault is not None:
            return fault.for_another()
        # Not all of it was written: a new session will do.
        error = SessionError(
            Phase.MAIL, FailureReason.NETWORK, "the session ended under another mail"
        )
        error.of_another = True
        return error

    def retire(self) -> None:
        """Begin nothing more: the relay refused to reset."""
        self._retired = True

    def wake(self) -> None:
        """Have everybody who waits look again."""
        with self._lock:
            for place in self._line:
                place.wake()
            self._notify()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.notify_all()

    @property
    def _is_over(self) -> bool:
        return self._broken or self._dialogue.fault is not None

    def _may_begin(self, overlap: Overlap) -> bool:
        if self._is_over:
            return False
        if overlap is WHOLE:
            return not (self._unsealed or self._alone)
        if self._entering:
            return False
        ahead = len(self._line)
        if overlap is ENVELOPE and ahead == 1:
            return self._line[0].sealed and not self._alone
        return self.clean and not ahead

    def _await_leave(self, overlap: Overlap, control: Control) -> None:
        # Most sessions never see anybody wait, and idle ones are to cost little.
        changed = self._changed = self._changed or threading.Condition(self._lock)
        control.on_abort(self.wake)
        wait = Wait(math.inf, lambda: control.deadline)
        while not self._may_begin(overlap):
            left_open = not (self.clean or self._line or self._entering)
            if self._is_over or left_open:
                raise self.loss(Place(overlap))
            if wait.remaining() <= 0:
                detail = "another mail kept the session busy"
                raise SessionError(Phase.MAIL, FailureReason.DEADLINE, detail)
            changed.wait(wait.pause())

    def _is_due(self, place: Place) -> bool:
        if self._line[0] is not place or place.writes:
            return False
        written = place.sealed or place.overlap is not WHOLE
        return written or self._is_over

    def _write_unsent(self) -> None:
        """Write what waits to be written, and let somebody else write the rest."""
        with self._lock:
            if self._is_over:
                # It befell another, who tells of it.
                self._writing = False
                return
            batch = self._take_unsent()
            # Nobody hears while the first in line waits to be written.
            heard = _listen if self._line[0] in batch else None
        wire = self._dialogue.wire
        before = wire.octets_written
        gone = False
        try:
            buffers = [buffer for place in batch for buffer in place.buffers]
            seconds = self._dialogue.timeouts.block
            gone = self._dialogue.write(buffers, Phase.BODY, seconds, heard)
        finally:
            with self._lock:
                self._broken = self._broken or not gone
                self._note_written(batch, wire.octets_written - before)

    def _take_unsent(self) -> list[Place]:
        batch: list[Place] = []
        octets = 0
        while self._unsent and (not batch or octets + self._unsent[0].size <= _MOST):
            batch.append(self._unsent.pop(0))
            octets += batch[-1].size
        return batch

    def _note_written(self, batch: list[Place], octets: int) -> None:
        for place in batch:
            octets -= place.size
            place.sealed = octets >= 0
            place.buffers = ()
            place.wake()
        self._writing = bool(self._unsent) and not self._is_over
        if self._writing:
            self._unsent[0].writes = True
            self._unsent[0].wake()

    def _cut(self) -> None:
        """End the link; while others use it, the last of them closes it."""
        wire = self._dialogue.wire
        (wire.abort if self._line else wire.close)()


def _listen() -> bool:
    return True
