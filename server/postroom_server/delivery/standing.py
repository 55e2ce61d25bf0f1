"""Mail that stands for a slot of its relay: prepared, in memory, and not accepted yet.

Mail that finds every slot taken would be stored as waiting, found again, read, decoded
and composed once more when one is free, and stored as begun.  What stands a moment
instead is accepted when its turn comes, with its attempt begun: one commit fewer, and
nothing is made twice.

That is for the simple case alone.  Only mail of one lane stands for a relay, a bounded
number of small ones, for `STAND` seconds at most, and only while nothing else waits for
that relay: as soon as something does, all that stands is stored, and its turn is for
the dispatcher to decide.  Whoever ends an attempt takes up what stands next
(`following`); slots that become free in another way are seen to a moment later
(`take_up`).

Nobody was told yet that such mail is accepted, so a crash loses no promise.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from postroom_server.delivery.dispatcher import Dispatcher, Slot
from postroom_server.delivery.posted import Posted
from postroom_server.domain.clock import Clock, seconds_between
from postroom_server.domain.lane import LaneKey

STAND = 1.0
"""Seconds after which what stands is stored, slot or not."""
MOST = 256
"""Mails that stand for one relay."""
MOST_OCTETS = 2 * 1024 * 1024
"""Of composed mail that stands for one relay; half of what a stream may have unstored,
so that mail for others is still read."""
MOST_OF_ALL = 32 * 1024 * 1024
"""Octets that stand for all relays.  No line is longer than what is left of them: of
many lines each then has an equal part, and one more finds room."""
SMALL = 64 * 1024
"""Octets of a composed mail that may stand."""


@dataclass(slots=True)
class _Line:
    """What stands for one relay, all of one lane, in the order in which it came."""

    lane: LaneKey
    octets: int = 0
    mails: deque[Posted] = field(default_factory=deque)

    def has_room(self, posted: Posted, left: int) -> bool:
        """Whether *posted* may stand here, where *left* octets more may in all."""
        delivery = posted.delivery
        return (
            delivery.lane == self.lane
            and len(self.mails) < MOST
            and self.octets + delivery.size_bytes <= min(MOST_OCTETS, left)
        )

    def put(self, posted: Posted) -> None:
        self.octets += posted.delivery.size_bytes
        self.mails.append(posted)


class Standing:
    """The lines of all relays; thread-safe.

    Its lock is held while a slot is asked for: between "all are taken" and the place in
    the line no attempt may end unseen.
    """

    def __init__(self, dispatcher: Dispatcher, clock: Clock, *, shared: bool) -> None:
        """*shared*: nothing stands, since other processes may have slots for it."""
        self._dispatcher = dispatcher
        self._clock = clock
        self._shared = shared
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._left = MOST_OF_ALL

    def __bool__(self) -> bool:
        """Whether anything stands."""
        return bool(self._lines)

    def enter(self, posted: Posted) -> Slot:
        """A slot for *posted*; `Slot.FULL`: it stands, and is whose who takes it up."""
        delivery = posted.delivery
        may_stand = self._may_stand(posted)
        with self._lock:
            line = self._lines.get(delivery.relay)
            if line is None:
                slot = self._dispatcher.slot(delivery.relay, delivery.tenant)
                if slot is not Slot.FULL:
                    return slot
                line = _Line(delivery.lane)
            if not (may_stand and line.has_room(posted, self._left)):
                return Slot.REFUSED
            line.put(posted)
            self._left -= delivery.size_bytes
            self._lines[delivery.relay] = line
            return Slot.FULL

    def _may_stand(self, posted: Posted) -> bool:
        posted.since = now = self._clock.monotonic()
        wait = posted.wait
        return (
            not self._shared
            and wait is not None
            and posted.delivery.size_bytes <= SMALL
            and wait.limit - now > 2 * STAND
            and seconds_between(self._clock.now(), posted.delivery.expire_at)
            > 2 * STAND
        )

    def following(self, relay: str) -> tuple[Posted | None, Sequence[Posted]]:
        """What stands next for *relay*, with a slot; and what is to be stored now."""
        with self._lock:
            line = self._lines.get(relay)
            if line is None:
                return None, ()
            slot = self._dispatcher.slot(relay, line.lane.tenant, last=True)
            if slot is Slot.FULL:
                return None, ()
            if slot is Slot.REFUSED:
                return None, self._cleared(relay)
            posted = line.mails[0]
            self._take_out(line, posted)
            return posted, ()

    def remove(self, posted: Posted) -> bool:
        """Whether *posted* stood still; it does no more, and is the asker's."""
        with self._lock:
            line = self._lines.get(posted.delivery.relay)
            if line is None or posted not in line.mails:
                return False
            self._take_out(line, posted)
            return True

    def late(self) -> Sequence[Posted]:
        """What stands too long, and with it; it does no more, and is the asker's."""
        long_ago = self._clock.monotonic() - STAND
        with self._lock:
            late = [
                r for r, line in self._lines.items() if line.mails[0].since < long_ago
            ]
            return [posted for relay in late for posted in self._cleared(relay)]

    def take_up(self) -> None:
        """See to it that slots which no attempt held are taken by what stands."""
        with self._lock:
            counts = {relay: len(line.mails) for relay, line in self._lines.items()}
        for relay, count in counts.items():
            self._dispatcher.take_up(relay, count)

    def _cleared(self, relay: str) -> Sequence[Posted]:
        """All that stands for *relay*, which does no more."""
        line = self._lines.pop(relay)
        self._left += line.octets
        return line.mails

    def _take_out(self, line: _Line, posted: Posted) -> None:
        delivery = posted.delivery
        line.mails.remove(posted)
        line.octets -= delivery.size_bytes
        self._left += delivery.size_bytes
        if not line.mails:
            del self._lines[delivery.relay]
