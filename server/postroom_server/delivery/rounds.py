"""What a delivering thread does: one mail, and then it sees to what stands behind it.

It waits for no commit.  An attempt that ended gives its record to the store, and its
slot back.  What stands for that slot is given to the store right after, so that one
commit records the mail and accepts the next; whoever commits hands that one to a
delivering thread, and tells of the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from postroom_server.delivery.crew import Work
from postroom_server.delivery.mailing import Mailing
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.store import Claimed

Take = Callable[[], tuple[Claimed, Mailing] | None]
"""Tells a delivering thread what there is for it."""


class Ending(Protocol):
    """Hears how an attempt ends."""

    def recorded(self) -> None:
        """It is over: recorded, or it can't be.  To be called once, by any thread."""

    def elsewhere(self, work: Work) -> bool:
        """Have *work*, which may block, done by a thread that records; False: there
        is none any more.
        """


Deliver = Callable[[Claimed, Mailing | None, Ending], object]
"""Makes the attempt, and begins to record it.  It never raises."""


class Following(Protocol):
    """What stands for a relay (by its id), without being in the store."""

    def take_up(self, relay: str) -> None:
        """Have what stands next accepted, if there is a slot for it.  Never raises."""


class Slots(Protocol):
    """Where a thread gives its slot back."""

    def ended(self, delivery: Delivery, *, retries: bool) -> None:
        """The attempt on *delivery* needs its slot no more; `recorded` comes once."""

    def recorded(self, relay: str) -> None:
        """One on *relay* is over."""

    def record(self, relay: str, work: Work) -> bool:
        """Have *work* done by a thread that records; whether there is one."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """See `Ending`."""

    relay: str
    slots: Slots

    def recorded(self) -> None:
        self.slots.recorded(self.relay)

    def elsewhere(self, work: Work) -> bool:
        return self.slots.record(self.relay, work)


@dataclass(frozen=True, slots=True)
class _AttemptHere(_Attempt):
    """One that holds no slot: nobody counts it."""

    def recorded(self) -> None:
        """See `Ending.recorded`."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Delivers by *deliver*, and takes up what is *following*.

    *commit* begins a commit of what was given to the store; it waits for nothing.
    """

    deliver: Deliver
    following: Following
    slots: Slots
    commit: Callable[[], None]

    def run(self, claimed: Claimed, mailing: Mailing | None, *, retries: bool) -> None:
        """Deliver *claimed*, which has a slot."""
        delivery = claimed.delivery
        try:
            self.deliver(claimed, mailing, _Attempt(delivery.relay, self.slots))
        finally:
            self.slots.ended(delivery, retries=retries)
            self.take_up(delivery.relay)

    def here(self, claimed: Claimed, mailing: Mailing | None) -> None:
        """Deliver *claimed*, which has none, on this thread."""
        ending = _AttemptHere(claimed.delivery.relay, self.slots)
        self.deliver(claimed, mailing, ending)
        self.commit()

    def take_up(self, relay: str) -> None:
        """See to what stands for *relay*, and have committed what was given before."""
        try:
            self.following.take_up(relay)
        finally:
            self.commit()

    def begin(self, relay: str, take: Take) -> None:
        """Deliver what *take* gives, which has a slot of *relay*."""
        taken = take()
        if taken is not None:
            self.run(*taken, retries=False)
        else:
            # Its slot is free again.
            self.take_up(relay)
