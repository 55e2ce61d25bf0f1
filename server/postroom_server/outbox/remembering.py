"""Answers that took long to find, kept for a while, so that many who ask cost little.

What took a moment is found anew each time; what took longer is as old, at most, as
twenty times what it took: so the store spends a twentieth of its time on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

A_MOMENT = 0.25
"""Seconds."""
KEPT_TIMES = 20
"""An answer is kept so many times as long as it took to find."""
MOST = 1_000
"""Answers that are kept."""


class Remembered(Generic[T]):
    """Answers by what was asked; of several who ask at once one finds it out."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, T]] = {}

    def get(self, asked: Hashable, find: Callable[[], T]) -> T:
        """The answer of *find*, or a kept one; raises what *find* raises."""
        with self._lock:
            began = self._monotonic()
            until, answer = self._answers.get(asked, (began, None))
            if answer is not None and began < until:
                return answer
            found = find()
            ended = self._monotonic()
            took = ended - began
            self._answers.pop(asked, None)
            if took >= A_MOMENT:
                if len(self._answers) >= MOST:
                    self._answers.clear()
                self._answers[asked] = (ended + KEPT_TIMES * took, found)
            return found
