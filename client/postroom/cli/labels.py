"""Options of `postroom send` for what goes with a mail; labels of `list` too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from postroom.arguments import SendArguments
from postroom.messages import Dsn, Unsubscribe
from postroom.words import DsnReturn

Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="A label of yours; may repeat."),
]
Meta = Annotated[
    list[str] | None,
    typer.Option(
        "--meta",
        metavar="NAME=VALUE",
        help="A pair of yours, 'name=value'; may repeat.",
    ),
]
UnsubscribeUrl = Annotated[
    str,
    typer.Option(metavar="URI", help="An https URI by which recipients unsubscribe."),
]
UnsubscribeMailto = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="An address to which recipients write to unsubscribe."
    ),
]
OneClick = Annotated[
    bool,
    typer.Option("--one-click", help="Let mail programs unsubscribe by themselves."),
]


class Notify(StrEnum):
    """When the relay is to notify."""

    NEVER = "never"
    SUCCESS = "success"
    FAILURE = "failure"
    DELAY = "delay"


class Return(StrEnum):
    """How much of the mail a notification returns."""

    FULL = "full"
    HEADERS = "headers"


Notifies = Annotated[
    list[Notify] | None,
    typer.Option(
        "--dsn",
        metavar="never|success|failure|delay",
        help="When the relay is to notify; may repeat.",
    ),
]
Returns = Annotated[
    Return | None,
    typer.Option("--dsn-return", help="How much of the mail notifications return."),
]
NeedsDsn = Annotated[
    bool, typer.Option("--dsn-required", help="Fail where the relay can't notify.")
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


def dsn_of(
    notify: Sequence[Notify] | None, kind: Return | None, *, required: bool
) -> Dsn:
    """What the options for notifications ask."""
    return Dsn(
        notify=notify or (),
        return_content=kind or DsnReturn.UNSPECIFIED,
        required=required,
    )


def beside(way: Unsubscribe, dsn: Dsn) -> SendArguments:
    """The arguments of `send` for *way* and *dsn*, those that say something."""
    found: SendArguments = {}
    if way != Unsubscribe():
        found["unsubscribe"] = way
    if dsn != Dsn():
        found["dsn"] = dsn
    return found
