"""What a delivering thread does: one mail, and then what stands for the same relay.

A mail gives its slot back once it is recorded.  Where another stands for it, that one
takes the slot before: it is accepted in the commit that records the mail before it, so
that the relay waits for one flush of the disk, not for two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from postroom_server.delivery.mailing import Mailing
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.store import Claimed

Finish = Callable[[], None]
"""Waits until an attempt is recorded.  To be called once, by who made it."""

Deliver = Callable[[Claimed, Mailing | None], Finish]
"""Makes the attempt.  It never raises, and neither does what it returns."""

Take = Callable[[], tuple[Claimed, Mailing] | None]
"""Tells a delivering thread what there is for it."""


class Following(Protocol):
    """What stands for a relay (by its id), without being in the store."""

    def stands(self, relay: str) -> bool:
        """Whether anything does, as far as can be seen without a lock."""

    def take_up(
        self, relay: str, *, once: bool = False
    ) -> tuple[Claimed, Mailing] | None:
        """What a thread is to deliver next: a slot is reserved.  Never raises.

        What can't be accepted is passed over; with *once*, only the first is tried.
        """


class Slots(Protocol):
    """Where a thread gives its slot back."""

    def ended(self, delivery: Delivery, *, retries: bool, recorded: bool) -> None:
        """The attempt on *delivery* is over, and *recorded*, or will be."""

    def recorded(self, relay: str) -> None:
        """One on *relay* is, which was not when it ended."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Delivers by *deliver*, and takes up what is *following*."""

    deliver: Deliver
    following: Following
    slots: Slots

    def run(self, claimed: Claimed, mailing: Mailing | None, *, retries: bool) -> None:
        """Deliver *claimed*, which has a slot, and all that stands then."""
        following = self._one(claimed, mailing, retries=retries)
        while following is not None:
            following = self._one(*following, retries=False)

    def take_up(self, relay: str) -> None:
        """Deliver what stands for *relay*, as long as there is a slot."""
        self.begin(lambda: self.following.take_up(relay))

    def begin(self, take: Take) -> None:
        """Deliver what *take* gives, which has a slot, and all that stands then."""
        taken = take()
        if taken is not None:
            self.run(*taken, retries=False)

    def _one(
        self, claimed: Claimed, mailing: Mailing | None, *, retries: bool
    ) -> tuple[Claimed, Mailing] | None:
        """Deliver it and see that it is recorded; what is to be delivered next."""
        delivery, finish = claimed.delivery, _nothing
        shares = False
        try:
            finish = self.deliver(claimed, mailing)
            shares = self.following.stands(delivery.relay)
            if not shares:
                finish()
        finally:
            self.slots.ended(delivery, retries=retries, recorded=not shares)
        if not shares:
            return self.following.take_up(delivery.relay)
        try:
            # Nobody is made to wait for the record while mail is refused.
            following = self.following.take_up(delivery.relay, once=True)
        finally:
            self._record(finish, delivery.relay)
        return following or self.following.take_up(delivery.relay)

    def _record(self, finish: Finish, relay: str) -> None:
        try:
            finish()
        finally:
            self.slots.recorded(relay)


def _nothing() -> None:
    """No attempt was made."""
