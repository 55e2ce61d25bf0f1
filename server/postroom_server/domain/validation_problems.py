"""What is wrong with a mail, gathered until everything was looked at."""

from __future__ import annotations

from postroom_server.domain.errors import InvalidMessage, Problem

PROBLEMS_KEPT = 1000
"""More help nobody, and a hostile mail must not fill our memory with them."""


class Problems:
    """Everything found so far, in the order of the contract's fields."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, field: str, description: str) -> None:
        """Record one problem of *field*, a path such as ``message.to[3].address``."""
        if len(self._found) < PROBLEMS_KEPT:
            self._found.append(Problem(field, description))

    def refuse(self) -> None:
        """Raise `InvalidMessage` with all that was found, if anything was."""
        if self._found:
            raise InvalidMessage(self._found)
