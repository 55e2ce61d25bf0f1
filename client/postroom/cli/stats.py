"""`postroom stats`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from postroom.cli.session import JsonFlag, session
from postroom.cli.show import plain, table, when
from postroom.reports import QueueStats, RelayStats, Stats, WindowStats


def stats(
    context: typer.Context,
    relay: Annotated[
        str | None, typer.Argument(help="This relay alone. Default: all.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show the numbers: what was sent, how fast, and what waits."""
    with session(context, as_json=as_json) as asked:
        found = asked.client.stats(relay, include_relays=True, include_latencies=True)
        asked.show(found, _show)


def _show(out: Console, found: Stats) -> None:
    out.print(plain(f"instance {found.instance}, since {when(found.started_at)}"))
    out.print(_windows(found.windows))
    if found.queue:
        out.print(plain(_queue(found.queue)))
    if found.relays:
        out.print()
        out.print(_pools(found.relays))


def _windows(windows: tuple[WindowStats, ...]) -> Table:
    rows = table(
        "WINDOW", "ACCEPTED", "SUCCEEDED", "FAILED", "RETRIES", "RATE", "SUCCESS", "P50"
    )
    for window in windows:
        counted = window.counters
        if counted is None:
            continue
        failed = counted.rejected + counted.failed + counted.temp_failed
        send = [latency for latency in window.latencies if latency.kind == "SEND"]
        rows.add_row(
            window.window.value,
            str(counted.accepted),
            str(counted.succeeded + counted.partial),
            str(failed + counted.expired),
            str(counted.retries),
            f"{window.send_rate:.1f}/s",
            _share(window.success_rate),
            f"{send[0].p50_seconds * 1000:.0f} ms" if send else "-",
        )
    return rows


def _pools(relays: tuple[RelayStats, ...]) -> Table:
    rows = table("RELAY", "IDLE", "IN USE", "OPENING", "WAITING", "REUSED", "OPENED")
    for relay in relays:
        if pool := relay.pool:
            numbers = (pool.idle, pool.in_use, pool.opening, pool.waiting)
            rows.add_row(
                plain(relay.relay),
                *map(str, (*numbers, pool.reused, pool.created)),
            )
    return rows


def _queue(queue: QueueStats) -> str:
    return (
        f"queue: {queue.due} due, {queue.retrying} to be tried again,"
        f" {queue.sending} under way, oldest due for {queue.oldest_due_age:.0f} s"
    )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
