"""Mail of a caller who waits: its attempt begins as the commit that accepts it ends.

The thread that commits hands the mail straight to one that delivers; the caller's own
thread sleeps on until there is news.  Waking it between the two, only to pass the mail
on, would cost each mail a change of threads.

Whoever commits decides between two ends: the caller leaves first, and the mail is taken
back, or the commit ends first, and the mail is the delivering thread's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from postroom_server.delivery.caller import Caller
from postroom_server.delivery.intake import Ready
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.signals import Latch
from postroom_server.delivery.waits import Wait
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.store import Accepting, Claimed, RequestRecord

STORING = 30.0
"""Seconds that the store may take."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class HandOver:
    """*ready* is being stored as *accepted*, with its attempt begun and a slot.

    *give_back* frees the slot.
    """

    ready: Ready
    accepted: Delivery
    caller: Caller
    wait: Wait
    give_back: Callable[[], object]
    _used: RequestRecord | None = None
    _error: Exception | None = None
    _decided: Latch = field(default_factory=Latch)

    def take(self, accepting: Accepting) -> tuple[Claimed, Mailing] | None:
        """What the delivering thread is to deliver; None: nothing was accepted."""
        try:
            self._used = accepting.result()
        except Exception as error:  # noqa: BLE001  it is its caller's to hear
            self._error = error
        if self._used is not None or self._error is not None:
            self.give_back()
            self._decided.open()
            self.wait.wake()
            return None
        tell_accepted(self.caller, self.accepted)
        self._decided.open()
        return Claimed(self.accepted, self.ready.content), self.ready.mailing

    def lost(self) -> None:
        """There is no thread to deliver it: the next start finds it under way."""
        self._decided.open()
        self.wait.wake()

    def outcome(
        self, accepting: Accepting, until: float, clock: Clock
    ) -> RequestRecord | None:
        """For the caller's thread: None once it is begun, and what `Outbox.accept`
        returns or raises; at *until* (monotonic) it is taken back.
        """
        wait = self.wait
        at = min(wait.limit, until)
        while not self._decided.is_open:
            if not wait.left and wait.woken.hear(at - clock.monotonic()):
                continue
            # News is not all that is waited for any more: who has left, or whose time
            # is over, goes on as soon as it is decided.
            if not self._decided.wait(until - clock.monotonic()):
                self._withdraw(accepting)
        if self._error is not None:
            raise self._error
        return self._used

    def _withdraw(self, accepting: Accepting) -> None:
        try:
            accepting.withdraw()
        except Exception:
            self.give_back()
            raise
        # It ended just now, and its thread is about to tell how.
        if not self._decided.wait(STORING):
            # Not known to be stored: who hears nothing of it would not ask again.
            raise NotReady("nobody was free to tell whether it is stored")


def tell_accepted(caller: Caller, delivery: Delivery) -> None:
    """Tell *caller* of it; a failure there keeps no mail from its attempt."""
    try:
        caller.accepted()
    except Exception:  # noqa: BLE001  what is accepted is delivered, whoever hears
        _log.exception("delivery.not_told_accepted", delivery=delivery.id)
