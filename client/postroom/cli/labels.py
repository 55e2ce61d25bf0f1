"""Options of `postroom send` for what goes with a mail; labels of `list` too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from postroom.messages import Unsubscribe

Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="A label of yours; may repeat.")
]
Meta = Annotated[
    list[str] | None,
    typer.Option("--meta", help="A pair of yours, 'name=value'; may repeat."),
]
UnsubscribeUrl = Annotated[
    str, typer.Option(help="An https URI by which recipients unsubscribe.")
]
UnsubscribeMailto = Annotated[
    str, typer.Option(help="An address to which recipients write to unsubscribe.")
]
OneClick = Annotated[
    bool,
    typer.Option("--one-click", help="Let mail programs unsubscribe by themselves."),
]
NO_WAY = Unsubscribe()
"""What the options for unsubscribing say when none is given."""


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
