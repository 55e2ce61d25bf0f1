"""Whether a store is on hold: it takes mail, and nothing is claimed from it.

A store that was restored knows nothing of what was delivered since it was copied.  So
it is put on hold before anything is claimed from it, and stays so whoever opens it.
"""

from __future__ import annotations

from typing import Protocol

from postroom_server.domain.hold import Hold


class Holds(Protocol):
    """What is durable of it.  Raises `NotReady` and `StoreFull` as the store does."""

    def now(self) -> Hold | None:
        """Why the store is on hold; None where it is not."""

    def begin(self, hold: Hold, *, restored: bool = False) -> None:
        """Nothing is claimed from now on; a hold that is there is replaced.

        *restored*: it is another store from now on, and no cursor of before fits.
        """

    def end(self) -> None:
        """What is due may be claimed again."""


class LocalHolds:
    """The hold of a store in memory."""

    def __init__(self) -> None:
        self._hold: Hold | None = None

    def now(self) -> Hold | None:
        """Why the store is on hold; see `Holds.now`."""
        return self._hold

    def begin(self, hold: Hold, *, restored: bool = False) -> None:
        """Nothing is claimed from now on; see `Holds.begin`."""
        del restored
        self._hold = hold

    def end(self) -> None:
        """What is due may be claimed again; see `Holds.end`."""
        self._hold = None
