"""`postroom info`."""

from __future__ import annotations

import typer
from rich.console import Console

from postroom.cli.session import JsonFlag, session
from postroom.cli.show import plain, table, when
from postroom.reports import ServerInfo


def info(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Tell what the service is, its limits and features."""
    with session(context, as_json=as_json) as asked:
        asked.show(asked.client.server_info(), _show)


def _show(out: Console, found: ServerInfo) -> None:
    out.print(plain(f"Postroom {found.version}, instance {found.instance}"))
    out.print(f"started {when(found.started_at)}, now {when(found.server_time)}")
    out.print(plain(f"features: {', '.join(found.features) or '-'}"))
    out.print(plain(f"services: {', '.join(found.services) or '-'}"))
    if found.limits:
        rows = table()
        for name, limit in found.limits.to_dict().items():
            unit = "" if isinstance(limit, int) else " s"
            rows.add_row(f"  {name}", f"{limit:,}{unit}")
        out.print(rows)
