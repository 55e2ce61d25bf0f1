"""Tells callers of posted mail what became of it: each once, and by whoever knows.

While a mail waits nobody has it.  Whoever brings news that is an answer takes it and
tells; the thread that hears is not woken for what it would only pass on.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from postroom_server.delivery.posted import Posted, Stage
from postroom_server.delivery.sending import Answer
from postroom_server.delivery.waits import WaitRoom

_log = structlog.get_logger(__name__)


class Teller:
    """Tells those who wait in *waits*; thread-safe.

    *hear* is given mail of which there is other news, and *answered* what was told
    by another thread than that which hears.  Neither may block.
    """

    def __init__(
        self,
        waits: WaitRoom,
        hear: Callable[[Posted], object],
        answered: Callable[[Posted], object],
    ) -> None:
        self._waits = waits
        self._hear = hear
        self._answered = answered

    def ring(self, posted: Posted) -> None:
        """There is news of it; told on the thread that brings it, which goes on."""
        try:
            if not self._has_told(posted):
                self._hear(posted)
        except Exception:  # noqa: BLE001  this thread is needed for others
            _log.exception("posting.bug")

    def tell(self, posted: Posted, outcome: Answer | Exception) -> None:
        """The caller of *posted*, which was taken, is told for good."""
        self.leave(posted)
        posted.stage = Stage.ANSWERED
        posted.done(outcome)

    def leave(self, posted: Posted) -> None:
        """It waits for no news any more."""
        wait, posted.wait = posted.wait, None
        if wait is not None:
            self._waits.leave(wait)

    def _has_told(self, posted: Posted) -> bool:
        """Whether there was an answer, and nobody had *posted*."""
        wait, stage = posted.wait, posted.stage
        if wait is None or (stage is not Stage.WAITING and stage is not Stage.BEGUN):
            return False
        answer = wait.answer(posted.delivery)
        if answer is None or not posted.take():
            return False
        self.tell(posted, Answer(answer, replayed=posted.replayed))
        # Behind: who looks before that would find it waiting, and keep its time.
        self._answered(posted)
        return True
