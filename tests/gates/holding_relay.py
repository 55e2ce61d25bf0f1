"""A relay that stops at a named point of the dialogue until it is told to go on."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from tests.gates.load import subject_of
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import PATIENCE, Peer


class HoldingRelay(PoliteRelay):
    """A polite relay but for one point, such as "before RCPT" or "after BODY"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.Lock()
        self._point, self._passes, self._all = "", 0, False
        self.reached = threading.Event()
        self.released = threading.Event()
        self.busy = 0
        self.busy_when_held = 0

    def hold_at(self, point: str, passes: int = 0, *, every: bool = False) -> None:
        """Stop the dialogue that comes to *point* after *passes* others.

        Or *every* one from there on.
        """
        self.reached.clear()
        self.released.clear()
        with self._lock:
            self._point, self._passes, self._all = point, passes, every

    def go_on(self) -> None:
        """Let the dialogue that was stopped go on."""
        with self._lock:
            self._point = ""
        self.released.set()

    def counted(self) -> Counter[str]:
        """How often the mail of each subject was taken."""
        return Counter(subject_of(mail.content) for mail in self.mails)

    def __call__(self, peer: Peer) -> None:
        self._come_to("connected")
        super().__call__(peer)

    def _answer(self, verb: str, default: str) -> str:
        self._come_to(f"before {verb}")
        return super()._answer(verb, default)

    def _yes(self, peer: Peer, verb: str, *answering: Any) -> bool:
        said_yes = super()._yes(peer, verb, *answering)
        self._come_to(f"after {verb}")
        return said_yes

    def _come_to(self, point: str) -> None:
        with self._lock:
            if point != self._point:
                return
            self._passes -= 1
            if self._passes >= 0:
                return
            if not self._all:
                self._point = ""
        self._hold()
        assert self.released.wait(2 * PATIENCE)

    def _hold(self) -> None:
        """This dialogue stands still from here on."""
        self.reached.set()
