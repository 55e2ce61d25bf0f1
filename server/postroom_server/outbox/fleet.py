"""What callers of one process want of what another has, told through the store.

A delivery is at home where its attempt is under way, or where it waits for callers of
that process.  Callers elsewhere may wait for it too, or take it back.

What is asked is stored, and stays so if its words are lost: notices only make that
whoever is concerned looks at once, and not within a second.  Every method but `listen`
and `tell` may raise `NotReady` and what else the store raises, and blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from postroom_server.domain.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Cancel:
    """The attempt *number* of a delivery is to be broken off, if it still can."""

    delivery: str
    number: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What others want of what is at home here.

    *waits*: for how many seconds, by the delivery's tenant and id.
    """

    waits: Mapping[tuple[str, str], float] = field(default_factory=dict)
    cancels: Sequence[Cancel] = ()


class Reaction(Enum):
    """What became of an attempt that was to be broken off elsewhere."""

    NOT_THERE = "not there"
    """Nobody else has it under way."""
    NONE_YET = "none yet"
    TOO_LATE = "too late"


class Listener(Protocol):
    """Who is told what other processes do; never blocks."""

    def hear(self, delivery_id: str) -> None:
        """Something became of a delivery that we wanted to hear of."""

    def look(self) -> None:
        """Something is asked of what is at home here."""

    def read_on(self) -> None:
        """There are new events."""


class Fleet(Protocol):
    """The processes that share a store, as one of them sees the others."""

    @property
    def is_alone(self) -> bool:
        """Whether there can be no others."""

    def listen(self, listener: Listener) -> None:
        """Have *listener* told what the others do, on a thread of the store's."""

    def is_elsewhere(self, delivery_id: str) -> bool:
        """Whether another process has the delivery, or nobody any more."""

    def wait(self, delivery: Delivery, seconds: float) -> None:
        """A caller here waits for what is elsewhere, so long; it is to go on."""

    def wait_no_more(self, delivery_id: str, patience: float) -> None:
        """None does any more; to be stored within *patience* seconds."""

    def patience(self, delivery_id: str) -> float | None:
        """For how many seconds callers of others wait; None: nobody does."""

    def want_news(self, delivery_id: str, seconds: float) -> None:
        """Have us told for so long when something becomes of the delivery."""

    def tell(self, delivery_id: str) -> None:
        """Something became of a delivery that was accepted elsewhere.

        Called by the thread that commits as well: it waits for nothing.
        """

    def watch_events(self, seconds: float) -> None:
        """Have us told for so long when there are new events."""

    def asked(self) -> Asked:
        """What others want of what is at home here."""

    def cancel(self, delivery: Delivery) -> Reaction:
        """Have its attempt broken off, where another process makes it.

        Asked again, it tells what became of that.
        """

    def refuse_cancel(self, delivery_id: str) -> None:
        """It is too late to break the attempt off that is under way here."""

    def was_cancelled(self, delivery: Delivery) -> bool:
        """Whether the attempt that was its last was to be broken off."""


class Alone:
    """The fleet of a store that one process has."""

    is_alone = True

    def listen(self, listener: Listener) -> None:
        """Nobody tells anything."""

    def is_elsewhere(self, _delivery_id: str) -> bool:
        """There is no other place."""
        return False

    def wait(self, delivery: Delivery, seconds: float) -> None:
        """Everything is here."""

    def wait_no_more(self, delivery_id: str, patience: float) -> None:
        """Everything is here."""

    def patience(self, _delivery_id: str) -> float | None:
        """Nobody waits elsewhere."""
        return None

    def want_news(self, delivery_id: str, seconds: float) -> None:
        """Nobody has any."""

    def tell(self, delivery_id: str) -> None:
        """Nobody hears it."""

    def watch_events(self, seconds: float) -> None:
        """Nobody makes any."""

    def asked(self) -> Asked:
        """Nobody asks."""
        return Asked()

    def cancel(self, _delivery: Delivery) -> Reaction:
        """Nobody else has it."""
        return Reaction.NOT_THERE

    def refuse_cancel(self, delivery_id: str) -> None:
        """Nobody asked."""

    def was_cancelled(self, _delivery: Delivery) -> bool:
        """Nobody asked."""
        return False
