"""The content of a transaction on its way, up to the point of no return.

Whoever ordered the mail is asked right before its last octets leave.  Until then it may
be called off, and the relay may speak against it; after that neither counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from postroom_server.domain.attempt import FailureReason
from postroom_server.smtp.aborting import Abort
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.flight import blocks
from postroom_server.smtp.progress import Progress
from postroom_server.smtp.steps import BODY
from postroom_server.smtp.timeouts import NO_DEADLINE
from postroom_server.smtp.transaction import Control, Transaction
from postroom_server.smtp.window import ENVELOPE, NOTHING, Place, Window


class Transfer:
    """What one transaction knows of itself, and how its content is written."""

    def __init__(
        self,
        dialogue: Dialogue,
        window: Window,
        order: tuple[Transaction, Control],
    ) -> None:
        self._dialogue = dialogue
        self._window = window
        self._transaction, self._control = order
        self._place = Place(NOTHING)
        self._progress = Progress(dialogue, len(self._transaction.recipients))
        self._abort = Abort(dialogue.wire)
        self._called_off = False
        self._begun = False
        self._dropped = False
        self._body_until = 0.0
        self._written_before: int | None = None
        self._octets_sent: int | None = None

    def _write_content(self, pieces: Iterable[bytes]) -> None:
        """Write *pieces*, unless called off, or stopped by what the relay says."""
        self._progress.step = BODY
        seconds = self._dialogue.timeouts.body(self._transaction.size)
        self._body_until = time.monotonic() + seconds
        owing = self._progress.data is not None
        for block, last in blocks(pieces):
            if last and not self._pass_end_of_data():
                self._called_off = True
                if owing:
                    self._drop("called off before the end of data")
                return
            # A relay that reads fast never makes us wait; it may have spoken even so.
            if not self._write(block) or not (last or self._unopposed()):
                return
            owing = True
        self._progress.end_of_data_sent = True
        if self._place.overlap is ENVELOPE:
            self._note_octets()
            self._window.seal(self._place)

    def _pass_end_of_data(self) -> bool:
        if not self._control.pass_end_of_data():
            return False
        self._abort.disarm()
        self._dialogue.deadline = NO_DEADLINE
        return True

    def _write(self, block: list[bytes | memoryview]) -> bool:
        left = max(0.0, self._body_until - time.monotonic())
        seconds = min(left, self._dialogue.timeouts.block)
        heard = self._progress.hear_at_hand
        gone = self._dialogue.write(block, BODY, seconds, heard)
        return gone or self._drop_if_refused()

    def _unopposed(self) -> bool:
        """Whether the relay has not spoken against what it is being sent."""
        if not self._dialogue.wire.listen() or self._progress.hear_at_hand():
            return True
        return self._drop_if_refused()

    def _drop_if_refused(self) -> bool:
        if self._progress.refused:
            self._drop("the relay refused what it was being sent")
        return False

    def _drop(self, detail: str) -> None:
        """Give the link up: the relay waits for content that will not come."""
        self._dropped = True
        reason = FailureReason.DEADLINE
        self._dialogue.fail(SessionError(BODY, reason, detail))

    def _note_octets(self) -> None:
        """Count what was written, before others write behind it."""
        if self._octets_sent is None and self._written_before is not None:
            written = self._dialogue.wire.octets_written
            self._octets_sent = written - self._written_before
