"""`postroom queue`: what waits, by relay and tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from postroom.cli.session import JsonFlag, Session, json_text, session
from postroom.cli.show import plain, table
from postroom.reports import QueueStats


def queue(
    context: typer.Context,
    relay: Annotated[
        str | None,
        typer.Argument(metavar="RELAY", help="This relay alone. Default: all."),
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show what waits, by relay and tenant, and for how long; for administrators."""
    with session(context, as_json=as_json) as asked:
        rows = list(_rows(asked, relay))
        if asked.json:
            typer.echo(
                json_text(
                    [
                        {"relay": name, "tenant": tenant, **waiting.to_dict()}
                        for name, tenant, waiting in rows
                    ]
                )
            )
        else:
            _show(asked.out, rows)


def _rows(asked: Session, relay: str | None) -> Iterator[tuple[str, str, QueueStats]]:
    """Those that have something waiting or under way."""
    names = [relay] if relay else [one.name for one in asked.client.relays.list()]
    for name in names:
        stats = asked.client.stats(name, include_relays=True, include_tenants=True)
        for tenant in stats.tenants:
            waiting = tenant.queue
            if waiting and _has_any(waiting):
                yield stats.relays[0].relay, tenant.tenant, waiting


def _has_any(waiting: QueueStats) -> bool:
    counts = (waiting.due, waiting.retrying, waiting.scheduled, waiting.sending)
    return any(counts)


def _show(out: Console, rows: list[tuple[str, str, QueueStats]]) -> None:
    if not rows:
        out.print("nothing waits")
        return
    names = ("RELAY", "TENANT", "DUE", "RETRYING", "SCHEDULED", "SENDING", "OLDEST")
    shown = table(*names)
    for relay, tenant, waiting in rows:
        shown.add_row(
            plain(relay),
            plain(tenant),
            str(waiting.due),
            str(waiting.retrying),
            str(waiting.scheduled),
            str(waiting.sending),
            f"{waiting.oldest_due_age:.0f} s",
        )
    out.print(shown)
