"""`postroom stats`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from postroom.cli.session import JsonFlag, Settings, session
from postroom.cli.stats_tables import stats_tables
from postroom.cli.watch import EVERY, PATIENCE, watch
from postroom.errors import PermissionDenied
from postroom.reports import Stats


def stats(
    context: typer.Context,
    relay: Annotated[
        str | None,
        typer.Argument(metavar="RELAY", help="This relay alone. Default: all."),
    ] = None,
    *,
    watching: Annotated[
        bool,
        typer.Option("--watch", help="Go on showing them, until Ctrl-C."),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=86_400,
            metavar="SECONDS",
            help=f"Watch them so often. Default: {EVERY:g}.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the numbers: what was sent, how fast, and what waits."""
    settings: Settings = context.obj
    watching = watching or every is not None
    timeout = min(settings.timeout, PATIENCE) if watching else settings.timeout
    with session(context, as_json=as_json) as asked:

        def ask() -> Stats:
            told = partial(
                asked.client.stats, relay, include_latencies=True, timeout=timeout
            )
            try:
                return told(include_relays=True)
            except PermissionDenied:
                # Pools are for administrators; the tenant's own numbers are not.
                return told()

        if watching:
            watch(asked, ask, every or EVERY)
        else:
            asked.show(ask(), lambda out, found: out.print(stats_tables(found)))
