"""One run of a command: its client, its output, and what its failure means."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from postroom._plain import Plain
from postroom.arguments import SecurityArguments
from postroom.cli.show import plain
from postroom.client import Client
from postroom.errors import InvalidRequest, PostroomError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Shown = TypeVar("Shown", bound=Plain)
WIDE = 1000
"""Columns where the output is no terminal: what is read by programs is not folded."""


class ExitCode(IntEnum):
    """What the command ends with; told in the help."""

    OK = 0
    NOT_DELIVERED = 1
    USAGE = 2
    INVALID = 3
    ERROR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the options before the command say."""

    target: str
    timeout: float
    json: bool
    plaintext: bool | None
    # It may hold a token.
    security: SecurityArguments = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A client, and where answers go."""

    client: Client
    out: Console
    json: bool

    def show(self, answer: Shown, render: Callable[[Console, Shown], None]) -> None:
        """Print *answer* as JSON, or as *render* does for people."""
        if self.json:
            typer.echo(json_text(answer.to_dict()))
        else:
            render(self.out, answer)


@contextmanager
def session(context: typer.Context, *, as_json: bool) -> Iterator[Session]:
    """Speak with the service; errors end the command with their exit code."""
    settings: Settings = context.obj
    wanted = settings.json or as_json
    try:
        with _client(settings) as client:
            yield Session(client, console(), wanted)
    except InvalidRequest as error:
        _tell(error, as_json=wanted)
        raise typer.Exit(ExitCode.INVALID) from error
    except PostroomError as error:
        _tell(error, as_json=wanted)
        raise typer.Exit(ExitCode.ERROR) from error
    except UnicodeError as error:
        raise typer.BadParameter("an argument or the input is no UTF-8 text") from error
    except OSError as error:
        # Without a file it is our own output that failed, which is typer's to end.
        if error.filename is None:
            raise
        raise _unread(error, settings) from error


def unreadable(
    option: str | None, path: str | Path, error: OSError
) -> typer.BadParameter:
    """The wrong usage of *option*: it names the file *path*, which gave *error*."""
    return typer.BadParameter(f"{path}: {error.strerror}", param_hint=option)


def json_text(answer: object) -> str:
    """*answer* as JSON, with nothing in it that moves a terminal's cursor."""
    return _harmless(json.dumps(answer, ensure_ascii=False, indent=2))


def json_line(answer: object) -> str:
    """The same in one line."""
    return _harmless(json.dumps(answer, ensure_ascii=False))


def _harmless(text: str) -> str:
    return "".join(
        c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text
    )


def console() -> Console:
    """Standard output: colours only on a terminal, no markup in what others wrote."""
    width = None if sys.stdout.isatty() else WIDE
    return Console(markup=False, highlight=False, emoji=False, width=width)


def _client(settings: Settings) -> Client:
    try:
        return Client(
            settings.target,
            timeout=settings.timeout,
            plaintext=settings.plaintext,
            **settings.security,
        )
    except ValueError as error:
        advice = str(error).replace("leave plaintext out", "leave --plaintext out")
        raise typer.BadParameter(advice) from error
    except OSError as error:
        raise _unread(error, settings) from error


def _unread(error: OSError, settings: Settings) -> typer.BadParameter:
    """What *error* says of a file, with the option that names it, if that is known."""
    files = {
        str(path): "--" + name.replace("_", "-")
        for name, path in settings.security.items()
        if name.endswith("_file")
    }
    return unreadable(files.get(str(error.filename)), error.filename, error)


def _tell(error: PostroomError, *, as_json: bool) -> None:
    if as_json:
        told = {
            "error": {
                "code": error.code,
                "reason": error.reason,
                "message": error.message,
                "metadata": dict(error.metadata),
                "request_id": error.request_id,
                "nothing_sent": error.nothing_sent,
                "violations": [
                    {"field": wrong.field, "description": wrong.description}
                    for wrong in error.details.violations
                ],
            }
        }
        typer.echo(json_text(told), err=True)
        return
    if not error.details.violations:
        typer.echo(plain(f"postroom: {error}").plain, err=True)
    for wrong in error.details.violations:
        line = plain(f"postroom: {wrong.field}: {wrong.description}")
        typer.echo(line.plain, err=True)
