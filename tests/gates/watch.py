"""The wall clock of the processes of a gate, which it sets (see `hurried`)."""

from __future__ import annotations

import time
from pathlib import Path


class Watch:
    """The clock of the processes: so many seconds *ahead*."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ahead = 0.0
        self.turn(0.0)

    def turn(self, seconds: float) -> None:
        """Jump by so many seconds."""
        self.ahead += seconds
        other = self._file.with_suffix(".new")
        other.write_text(str(self.ahead))
        # At once: a reader never finds half of it.
        other.rename(self._file)

    def now(self) -> float:
        return time.time() + self.ahead
