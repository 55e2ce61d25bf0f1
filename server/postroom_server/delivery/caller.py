"""The caller of a method that may wait, as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Caller(Protocol):
    """Someone who waits for an answer and may go away."""

    @property
    def limit(self) -> float:
        """The monotonic instant at which the answer must leave."""

    def accepted(self) -> None:
        """Tell the caller's library that the mail is ours: it must not repeat."""

    def on_leave(self, callback: Callable[[], None]) -> None:
        """Have *callback* called, once, when the caller is gone; it must not block."""
