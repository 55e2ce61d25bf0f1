"""One mail that was posted, and where it is on its way to an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock
from typing import TypeAlias

from postroom_server.delivery.caller import Caller
from postroom_server.delivery.sending import Answer, Prepared
from postroom_server.delivery.waits import Wait
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.store import Accepting

Done: TypeAlias = Callable[[Answer | Exception], object]
"""Hears of an answer, or why nothing was accepted: a `PostroomError`, or a bug."""


class Stage(Enum):
    """Who has it."""

    STANDING = "who takes it out of its line"
    STORING = "the store, or the thread that has it accepted"
    BEGUN = "nobody, and the thread that hears has not set its time yet"
    WAITING = "nobody: it waits for news, or for its time"
    LOOKED_AT = "a thread that may block"
    ANSWERED = "nobody any more"


@dataclass(slots=True, eq=False)
class Posted:
    """One mail that *caller* posted; *done* hears what becomes of it.

    *reserved*: it has a slot.  *replayed*: the same request came before.  *rung* notes
    that there was news while another had it.  It stands *since* then (monotonic).
    """

    caller: Caller
    done: Done
    fingerprint: bytes
    wait_timeout: float | None
    senders: tuple[str, ...]
    stage: Stage = Stage.STORING
    wait: Wait | None = None
    accepting: Accepting | None = None
    reserved: bool = False
    replayed: bool = False
    rung: bool = False
    since: float = 0.0
    _mail: Prepared | None = None
    _delivery: Delivery | None = None
    _had: Lock = field(default_factory=Lock)

    def take(self) -> bool:
        """Whether it is the asker's now, to look at it, or to answer it for good."""
        return self._had.acquire(blocking=False)

    def free(self) -> None:
        """Who had it has only looked."""
        self._had.release()

    @property
    def is_taken(self) -> bool:
        """Whether somebody has it."""
        return self._had.locked()

    @property
    def delivery(self) -> Delivery:
        """The delivery, as it was when it was last stored."""
        assert self._delivery is not None
        return self._delivery

    @property
    def is_here(self) -> bool:
        """Whether its attempt is to be made without a slot."""
        return self.delivery.leased_at is not None and not self.reserved

    @property
    def mail(self) -> Prepared:
        """What the first attempt sends."""
        assert self._mail is not None
        return self._mail

    def begin(self, mail: Prepared) -> None:
        """It is made ready to be accepted."""
        self._mail, self._delivery = mail, mail.ready.delivery

    def given(self, accepted: Delivery) -> None:
        """It is given to the store, to be *accepted*."""
        self._delivery = accepted

    def take_mail(self) -> Prepared:
        """What the first attempt sends; it is kept here no longer."""
        mail, self._mail = self.mail, None
        return mail

    def tell(self, delivery: Delivery) -> None:
        """Its caller, who waits for no attempt, is told *delivery*."""
        self._delivery = delivery

    def gone_on(self, delivery: Delivery) -> None:
        """The same request made *delivery* before."""
        self._mail, self._delivery, self.replayed = None, delivery, True
