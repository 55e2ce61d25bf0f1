"""`postroom get`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from postroom.cli.labels import shown
from postroom.cli.session import JsonFlag, session
from postroom.cli.show import plain, show_result, table, when
from postroom.cli.story import show_story
from postroom.results import Delivery
from postroom.words import Priority


def get(
    context: typer.Context,
    delivery: Annotated[
        str | None,
        typer.Argument(
            metavar="DELIVERY", help="Its name; 'deliveries/' may be left out."
        ),
    ] = None,
    *,
    request_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Find it by the request id that made it."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what became of a mail, attempt by attempt."""
    if (delivery is None) == (request_id is None):
        raise typer.BadParameter("give either a delivery or --request-id")
    with session(context, as_json=as_json) as asked:
        found = asked.client.get(delivery, request_id=request_id)
        asked.show(found, _show)


def _show(out: Console, delivery: Delivery) -> None:
    show_result(out, delivery.result)
    out.print()
    rows = table()
    for name, value in _facts(delivery):
        rows.add_row(f"  {name}", plain(value))
    out.print(rows)
    out.print()
    show_story(out, delivery)


def _facts(delivery: Delivery) -> list[tuple[str, str]]:
    result = delivery.result
    facts = [
        ("subject", delivery.subject),
        ("from", delivery.envelope_from),
        ("relay", delivery.relay),
        ("request id", delivery.request_id),
        ("tags", ", ".join(delivery.tags)),
        ("metadata", shown(delivery.metadata)),
        ("wait", delivery.completion.lower().replace("_", "-")),
        ("priority", _unusual(delivery.priority)),
        ("size", f"{result.size_bytes} bytes" if result.size_bytes else ""),
        ("accepted", when(result.accepted_at)),
        ("send at", when(None if result.sent_at else delivery.send_at)),
        ("sent", when(result.sent_at)),
        ("expires", when(None if result.is_final else delivery.expire_at)),
    ]
    return [(name, value) for name, value in facts if value not in {"", "-"}]


def _unusual(priority: Priority) -> str:
    known = priority not in {Priority.UNSPECIFIED, Priority.NORMAL}
    return priority.lower() if known else ""
