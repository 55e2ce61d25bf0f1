"""What all who share a store may do together, and which part of it is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Sharing(Protocol):
    """Who else is there.  What asks the store raises what it raises."""

    @property
    def is_alone(self) -> bool:
        """Whether nobody else can be at the store."""

    def share(self, most: int) -> int:
        """How much of *most* that all may do at once is for this process; at least 1.

        The shares of all processes are *most* together, if these are not more than it.
        """

    def sending_elsewhere(self, relay: str) -> int:
        """How many attempts on *relay* (a bare id) others make."""

    def look(self) -> None:
        """See who is there now."""

    def listen(self, on_change: Callable[[], None]) -> None:
        """Call *on_change* when another process says that something was changed."""


class Unshared:
    """That of a store that one process has."""

    is_alone = True

    def share(self, most: int) -> int:
        """All of it."""
        return most

    def sending_elsewhere(self, _relay: str) -> int:
        """Nothing."""
        return 0

    def look(self) -> None:
        """There is nobody."""

    def listen(self, on_change: Callable[[], None]) -> None:
        """Nobody says anything."""


def share(most: int, processes: int, place: int) -> int:
    """The part of *most* for the process that is in *place*, from 0, among so many."""
    return max(1, most // processes + (place < most % processes))
