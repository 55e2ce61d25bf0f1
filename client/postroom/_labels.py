"""Tags and metadata, as callers give them, into those of a request; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from postroom._problems import Problems

Metadata = dict[str, str]


def tags_of(given: str | Iterable[str]) -> list[str]:
    """One tag or several as a list."""
    return [given] if isinstance(given, str) else list(given)


def metadata_of(given: Mapping[Any, Any], path: str, problems: Problems) -> Metadata:
    """*given* as it goes into the field *path*; what is no text goes to *problems*."""
    found: Metadata = {}
    for name, value in given.items():
        if isinstance(name, str) and isinstance(value, str):
            found[name] = value
        else:
            kind = type(value if isinstance(name, str) else name).__name__
            problems.add(f"{path}[{name}]", f"must be text, not {kind}")
    return found
