"""Mail that was posted and has a slot: it is accepted, and begins as the commit ends.

Nobody waits for the store here: whoever commits hands the mail to a delivering thread,
which tells that it is accepted, and makes the attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from postroom_server.delivery.handing_over import tell_accepted
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.posted import Posted, Stage
from postroom_server.delivery.sending import Sending, accepted_now
from postroom_server.delivery.standing import Standing
from postroom_server.outbox.store import Accepting, Claimed, RequestRecord

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fates:
    """Whose a mail is next, and why; none of these blocks or raises.

    *storing*: the store's, for so long as it is given.  *begun*: its attempt is, by who
    asked.  *queued*: it has to wait its turn in the store.  *refused*: by the store.
    *used*: the same request came before, for that.
    """

    storing: Callable[[Posted, Accepting], object]
    begun: Callable[[Posted], object]
    queued: Callable[[Posted], object]
    refused: Callable[[Posted, Exception], object]
    used: Callable[[Posted, RequestRecord], object]


class LineStart:
    """Has mail accepted that has a slot, and what is *standing*; thread-safe."""

    def __init__(self, sending: Sending, standing: Standing, fates: Fates) -> None:
        self._sending = sending
        self._standing = standing
        self._fates = fates

    def take_up(self, relay: str) -> None:
        """Have what stands next for *relay* accepted, if there is a slot for it."""
        try:
            while (posted := self._following(relay)) is not None:
                if self._is_given(posted):
                    return
        except Exception:  # noqa: BLE001  this thread is needed for others
            _log.exception("posting.bug")

    def begin(self, posted: Posted) -> None:
        """Have *posted* accepted, for which a slot is reserved.

        Raises as `Outbox.begin_accept`.
        """
        posted.reserved = True
        accepting = begin_storing(posted, self._sending, self._pass_on, leased=True)
        self._fates.storing(posted, accepting)

    def _following(self, relay: str) -> Posted | None:
        posted, others = self._standing.following(relay)
        for other in others:
            self._fates.queued(other)
        return posted

    def _is_given(self, posted: Posted) -> bool:
        """Have it accepted; False where it is refused at once."""
        try:
            self.begin(posted)
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            self._fates.refused(posted, error)
            return False
        return True

    def _pass_on(self, posted: Posted, accepting: Accepting) -> None:
        """The store is done with *posted*; on the thread that commits."""
        take = partial(self._take, posted, accepting)
        if not self._sending.dispatcher.begin_taking(posted.delivery, take):
            # There is no thread to deliver it: the next start finds it under way.
            posted.stage = Stage.BEGUN
            self._fates.begun(posted)

    def _take(
        self, posted: Posted, accepting: Accepting
    ) -> tuple[Claimed, Mailing] | None:
        """What the delivering thread is to deliver; None: nothing was accepted."""
        try:
            used = accepting.result()
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            give_slot_back(posted, self._sending)
            self._fates.refused(posted, error)
            return None
        if used is not None:
            give_slot_back(posted, self._sending)
            self._fates.used(posted, used)
            return None
        tell_accepted(posted.caller, posted.delivery)
        ready = posted.take_mail().ready
        posted.stage = Stage.BEGUN
        self._fates.begun(posted)
        return Claimed(posted.delivery, ready.content), ready.mailing


def begin_storing(
    posted: Posted,
    sending: Sending,
    on_end: Callable[[Posted, Accepting], object],
    *,
    leased: bool,
) -> Accepting:
    """Give *posted* to the store, *leased*: with its first attempt begun.

    *on_end* hears how that ended, on the thread that commits.  Raises as
    `Outbox.begin_accept` where it is refused at once; its slot is free again then.
    """
    posted.stage = Stage.STORING
    mail = posted.mail
    change = accepted_now(posted.delivery, leased=leased)
    posted.given(change.after)
    try:
        # Its caller has many under way, and waits for none of them alone.
        return sending.outbox.begin_accept(
            change,
            mail.ready.content,
            mail.request,
            partial(on_end, posted),
            patient=True,
        )
    except BaseException:
        give_slot_back(posted, sending)
        raise


def give_slot_back(posted: Posted, sending: Sending) -> None:
    """Free the slot of mail that was not stored."""
    if posted.reserved:
        posted.reserved = False
        sending.give_back(posted.delivery)
