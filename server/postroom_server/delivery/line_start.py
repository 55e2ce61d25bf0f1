"""Mail that stood for a slot and has one: accepted by the thread that delivers it.

That thread has just delivered another.  It waits for the store, and goes on with the
mail in hand: nobody else is woken for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from postroom_server.delivery.handing_over import STORING
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.posted import Posted, Stage
from postroom_server.delivery.sending import Sending, accepted_now
from postroom_server.delivery.standing import Standing
from postroom_server.outbox.store import Claimed, RequestRecord

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fates:
    """Whose a mail is next, and why; none of these blocks or raises.

    *begun*: its attempt is, by who asked.  *queued*: it has to wait its turn in the
    store.  *refused*: by the store.  *used*: the same request came before, for that.
    """

    begun: Callable[[Posted], object]
    queued: Callable[[Posted], object]
    refused: Callable[[Posted, Exception], object]
    used: Callable[[Posted, RequestRecord], object]


class LineStart:
    """Takes up what is *standing* and accepts it; thread-safe."""

    def __init__(self, sending: Sending, standing: Standing, fates: Fates) -> None:
        self._sending = sending
        self._standing = standing
        self._fates = fates

    def stands(self, relay: str) -> bool:
        """Whether anything stands for *relay*."""
        return self._standing.stands(relay)

    def take_up(
        self, relay: str, *, once: bool = False
    ) -> tuple[Claimed, Mailing] | None:
        """What stands next for *relay*, as it was accepted; a slot is reserved."""
        try:
            while (posted := self._following(relay)) is not None:
                begun = self._begun(posted)
                if begun is not None or once:
                    return begun
        except Exception:  # noqa: BLE001  this thread is needed for others
            _log.exception("posting.bug")
        return None

    def _following(self, relay: str) -> Posted | None:
        posted, others = self._standing.following(relay)
        for other in others:
            self._fates.queued(other)
        return posted

    def _begun(self, posted: Posted) -> tuple[Claimed, Mailing] | None:
        posted.stage, posted.reserved = Stage.STORING, True
        ready = posted.mail.ready
        try:
            used = self._accept(posted)
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            give_slot_back(posted, self._sending)
            self._fates.refused(posted, error)
            return None
        if used is not None:
            give_slot_back(posted, self._sending)
            self._fates.used(posted, used)
            return None
        posted.caller.accepted()
        posted.take_mail()
        claimed = Claimed(posted.delivery, ready.content)
        posted.stage = Stage.BEGUN
        self._fates.begun(posted)
        return claimed, ready.mailing

    def _accept(self, posted: Posted) -> RequestRecord | None:
        wait, mail = posted.wait, posted.mail
        assert wait is not None
        change = accepted_now(posted.delivery, leased=True)
        posted.given(change.after)
        patience = min(wait.limit - self._sending.clock.monotonic(), STORING)
        return self._sending.outbox.accept(
            change, mail.ready.content, mail.request, patience=patience
        )


def give_slot_back(posted: Posted, sending: Sending) -> None:
    """Free the slot of mail that was not stored."""
    if posted.reserved:
        posted.reserved = False
        sending.give_back(posted.delivery)
