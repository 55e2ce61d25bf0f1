"""`postroom reschedule`."""

from __future__ import annotations

from typing import Annotated

import typer

from postroom.arguments import RescheduleArguments
from postroom.cli.options import At, In, RequestId
from postroom.cli.parts import begins, expiry
from postroom.cli.session import JsonFlag, session
from postroom.cli.show import show_result


def reschedule(  # noqa: PLR0913  one for each option
    context: typer.Context,
    delivery: Annotated[
        str,
        typer.Argument(
            metavar="DELIVERY", help="Its name; 'deliveries/' may be left out."
        ),
    ],
    *,
    at: At = "",
    in_: In = "",
    expire: Annotated[
        str,
        typer.Option(
            metavar="SPAN|TIME",
            help="Begin nothing after: 30m, 24h, 7d, or a local time. Default: it "
            "moves along.",
        ),
    ] = "",
    request_id: RequestId = "",
    as_json: JsonFlag = False,
) -> None:
    """Move a mail that waits to another time; without --at and --in to now."""
    options: RescheduleArguments = {
        "send_at": begins(at, in_),
        "expire_at": expiry(expire) if expire else None,
        "request_id": request_id,
    }
    with session(context, as_json=as_json) as asked:
        asked.show(asked.client.reschedule(delivery, **options), show_result)
