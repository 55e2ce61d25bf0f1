"""Tags and metadata, as callers give them, into those of a request; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postroom._problems import Problems


def tags_of(given: str | Iterable[str]) -> list[str]:
    """One tag or several as a list."""
    return [given] if isinstance(given, str) else list(given)


def metadata_of(
    given: Mapping[str, str], path: str, problems: Problems
) -> dict[str, str]:
    """*given* as it goes into the field *path*; what is no text goes to *problems*."""
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            kind = type(value if isinstance(name, str) else name).__name__
            problems.add(f"{path}[{name}]", f"must be text, not {kind}")
    return {n: v for n, v in given.items() if isinstance(n, str) and isinstance(v, str)}
