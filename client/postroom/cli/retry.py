"""`postroom retry`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from postroom.arguments import RetryArguments
from postroom.cli.options import RequestId, Wait, Waiting
from postroom.cli.session import ExitCode, JsonFlag, session
from postroom.cli.show import show_result


class Settle(StrEnum):
    """What became of uncertain recipients."""

    SEND_AGAIN = "send-again"
    DELIVERED = "delivered"
    FAILED = "failed"


def retry(  # noqa: PLR0913  one for each option
    context: typer.Context,
    delivery: Annotated[
        str,
        typer.Argument(
            metavar="DELIVERY", help="Its name; 'deliveries/' may be left out."
        ),
    ],
    *,
    settlement: Annotated[
        Settle | None,
        typer.Option(help="For UNCERTAIN recipients: what became of them."),
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="These alone; may repeat."),
    ] = None,
    wait: Waiting = Wait.RELAYED,
    request_id: RequestId = "",
    as_json: JsonFlag = False,
) -> None:
    """Go on with the recipients that did not get it."""
    options: RetryArguments = {
        "recipients": recipient or (),
        "completion": wait,
        "request_id": request_id,
    }
    if settlement:
        options["settlement"] = settlement
    with session(context, as_json=as_json) as asked:
        result = asked.client.retry(delivery, **options)
        asked.show(result, show_result)
        if not result.ok:
            raise typer.Exit(ExitCode.NOT_DELIVERED)
