"""What is wrong with a configuration, for the operator who wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

KeyPath = tuple[str, ...]
"""The names that lead to a key: ("relays", "main", "port")."""


class ConfigError(ValueError):
    """The configuration can't be used; *problems* are all of its faults, one a line.

    No problem repeats a secret, or the value of a key that isn't known.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Finding(NamedTuple):
    """A fault between values that are each well formed.

    It is reported at the first of *keys*; the others are what it was concluded from,
    so that a fault of one of them is not reported twice.
    """

    keys: tuple[KeyPath, ...]
    text: str


def dotted(path: KeyPath) -> str:
    """The key as people write it: ``relays.main.port``."""
    return ".".join(path)
