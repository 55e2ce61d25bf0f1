"""`postroom cancel`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from postroom.cli.session import JsonFlag, session
from postroom.cli.show import show_result
from postroom.results import Cancellation
from postroom.words import CancelOutcome


def cancel(
    context: typer.Context,
    delivery: Annotated[
        str,
        typer.Argument(
            metavar="DELIVERY", help="Its name; 'deliveries/' may be left out."
        ),
    ],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Take back a mail that is not sent yet."""
    with session(context, as_json=as_json) as asked:
        asked.show(asked.client.cancel(delivery), _show)


def _show(out: Console, cancellation: Cancellation) -> None:
    show_result(out, cancellation.result)
    if cancellation.outcome is CancelOutcome.PENDING:
        out.print("  an attempt is under way: it stops if it still can")
