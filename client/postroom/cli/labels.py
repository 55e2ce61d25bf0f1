"""The options for tags and metadata, of `postroom send` and `postroom list`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="A label of yours; may repeat.")
]
Meta = Annotated[
    list[str] | None,
    typer.Option("--meta", help="A pair of yours, 'name=value'; may repeat."),
]


def pairs(given: Iterable[str] | None) -> dict[str, str]:
    """The pairs that *given* are; raises `BadParameter` for what is none."""
    found: dict[str, str] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or name in found:
            why = "is there twice" if equals else "is not 'name=value'"
            raise typer.BadParameter(f"--meta {one!r} {why}")
        found[name] = value
    return found


def shown(metadata: Mapping[str, str]) -> str:
    """*metadata* on one line, sorted by name."""
    return ", ".join(f"{name}={value}" for name, value in sorted(metadata.items()))
