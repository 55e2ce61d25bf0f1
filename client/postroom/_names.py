"""The names of arguments, and which of them are text; slips of the program are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TypeVar, get_type_hints

T = TypeVar("T")


def check_names(given: Mapping[str, object], declared: type) -> None:
    """Raise `TypeError` for an argument that *declared*, a TypedDict, has not.

    Also for one that is to be text and is not; None: it is not given.
    """
    for name in sorted(given.keys() - declared.__annotations__.keys()):
        raise TypeError(f"there is no argument {name!r}")
    for name in _texts(declared) & given.keys():
        if given[name] is not None:
            check_text(name, given[name])


def check_text(name: str, given: object) -> None:
    """Raise `TypeError` unless *given*, the argument *name*, is text."""
    if not isinstance(given, str):
        raise TypeError(f"{name}: give text, not {type(given).__name__}")


def several(name: str, given: Iterable[T], what: str) -> Iterable[T]:
    """*given*, the argument *name*; raises `TypeError` unless it is *what*, several."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: give {what}, not {type(given).__name__}")
    return given


@cache
def _texts(declared: type) -> frozenset[str]:
    """The arguments in *declared* that are text."""
    hints = get_type_hints(declared)
    return frozenset(name for name, kind in hints.items() if kind is str)
