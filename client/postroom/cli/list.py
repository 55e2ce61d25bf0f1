"""`postroom list`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from postroom.arguments import ListArguments
from postroom.cli.labels import Meta, pairs
from postroom.cli.session import JsonFlag, json_text, session
from postroom.cli.show import plain, table, when, word
from postroom.results import Delivery

LARGEST_PAGE = 500
ROOMY = 110
"""Columns that show whole names, times with their zone, and most subjects."""
SECOND = 19
"""Characters of a time without its zone."""
TAKEN = len("TEMP_FAILED") + 32 + SECOND + 3 * 2
"""Columns before the subject where room is short."""


def list_deliveries(  # noqa: PLR0913  one for each option
    context: typer.Context,
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="STATUS", help="Of this status; may repeat."),
    ] = None,
    relay: Annotated[str, typer.Option(metavar="RELAY", help="For this relay.")] = "",
    recipient: Annotated[
        str, typer.Option(metavar="ADDRESS", help="To this address.")
    ] = "",
    message_id: Annotated[
        str, typer.Option(metavar="ID", help="With this Message-ID.")
    ] = "",
    tag: Annotated[str, typer.Option(metavar="TAG", help="With this tag.")] = "",
    meta: Meta = None,
    since: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", help="Accepted at or after this local time."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="At most so many; 0: all.")
    ] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List mails, the newest first."""
    conditions: ListArguments = {
        "statuses": status or (),
        "relay": relay,
        "recipient": recipient,
        "message_id": message_id,
        "tag": tag,
        "metadata": pairs(meta),
        # One more, which tells that there is more.
        "page_size": min(limit + 1 if limit else LARGEST_PAGE, LARGEST_PAGE),
    }
    if since:
        conditions["accepted_from"] = _local(since)
    with session(context, as_json=as_json) as asked:
        every = iter(asked.client.list(**conditions))
        found = islice(every, limit or None)
        if asked.json:
            listed = [delivery.to_dict() for delivery in found]
            typer.echo(json_text(listed))
        else:
            _show(asked.out, found)
        if next(every, None) is not None:
            text = f"the newest {limit} of more; --limit takes a number, 0 for all"
            typer.echo(f"postroom: {text}", err=True)


def _local(time: datetime) -> datetime:
    try:
        return time.astimezone()
    except (ValueError, OverflowError, OSError):
        # At the ends of the calendar there is no local time, and a day is no matter.
        return time.replace(tzinfo=UTC)


def _show(out: Console, deliveries: Iterable[Delivery]) -> None:
    rows = table("STATUS", "DELIVERY", "ACCEPTED", "SUBJECT")
    for delivery in deliveries:
        cells = _whole(delivery) if out.width >= ROOMY else _short(delivery, out.width)
        rows.add_row(word(delivery.result.status), *cells)
    out.print(rows if rows.row_count else "no deliveries")


def _whole(delivery: Delivery) -> tuple[Text, str, Text]:
    accepted = when(delivery.result.accepted_at)
    return plain(delivery.name), accepted, plain(delivery.subject)


def _short(delivery: Delivery, width: int) -> tuple[Text, str, Text]:
    """What has room in *width*: a name that is cut could not be copied."""
    name = plain(delivery.name.removeprefix("deliveries/"))
    subject = plain(delivery.subject)
    subject.truncate(max(1, width - TAKEN), overflow="ellipsis")
    return name, when(delivery.result.accepted_at)[:SECOND], subject
