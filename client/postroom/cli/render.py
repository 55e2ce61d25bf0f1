"""`postroom render`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from postroom.cli.session import session, unreadable


def render(
    context: typer.Context,
    delivery: Annotated[
        str,
        typer.Argument(
            metavar="DELIVERY", help="Its name; 'deliveries/' may be left out."
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            writable=True,
            help="Where to. Default: standard output.",
        ),
    ] = None,
) -> None:
    """Write the very bytes of a mail that was accepted, sent or not.

    They are others' words, which may move a terminal's cursor: better give --output.
    """
    with session(context, as_json=False) as asked:
        if output is None:
            asked.client.render_to(sys.stdout.buffer, delivery)
            return
        try:
            with output.open("wb") as file:
                asked.client.render_to(file, delivery)
        except OSError as error:
            raise unreadable("--output", output, error) from error
