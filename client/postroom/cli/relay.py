"""`postroom relay`: how relays are, and whether mail goes to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from postroom.cli.session import ExitCode, JsonFlag, Session, json_text, session
from postroom.cli.show import plain, table, when, word
from postroom.reports import Draining, Relay, RelaySession

Name = Annotated[str, typer.Argument(metavar="RELAY", help="The relay.")]
Reason = Annotated[
    str, typer.Option(metavar="TEXT", help="Why, for whoever looks later.")
]

relay = typer.Typer(
    help="Look after relays; for administrators.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@relay.command("list")
def list_relays(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """List the relays, how they are, and what waits for them."""
    with session(context, as_json=as_json) as asked:
        _show_all(asked, asked.client.relays.list())


@relay.command()
def pause(
    context: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    as_json: JsonFlag = False,
) -> None:
    """Begin nothing on a relay from now on; mail for it waits."""
    with session(context, as_json=as_json) as asked:
        asked.show(asked.client.relays.pause(name, reason), _tell)


@relay.command()
def resume(context: typer.Context, name: Name, *, as_json: JsonFlag = False) -> None:
    """Go on with a relay; one that was left alone is tried at once."""
    with session(context, as_json=as_json) as asked:
        asked.show(asked.client.relays.resume(name), _tell)


@relay.command()
def drain(
    context: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait.")
    ] = 30.0,
    as_json: JsonFlag = False,
) -> None:
    """Pause a relay, and wait until nothing is under way on it."""
    with session(context, as_json=as_json) as asked:
        drained = asked.client.relays.drain(name, reason, wait=wait)
        asked.show(drained, _tell_drained)
        if drained.attempts_left:
            raise typer.Exit(ExitCode.NOT_DELIVERED)


@relay.command()
def sessions(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="RELAY", help="The relay. Default: all.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """List the SMTP sessions that are open."""
    with session(context, as_json=as_json) as asked:
        found = asked.client.relays.sessions(name)
        if asked.json:
            typer.echo(json_text([one.to_dict() for one in found]))
        else:
            _show_sessions(asked.out, found)


def _show_all(asked: Session, relays: Sequence[Relay]) -> None:
    if asked.json:
        typer.echo(json_text([one.to_dict() for one in relays]))
        return
    rows = table("RELAY", "STATE", "PACE", "SESSIONS", "DUE", "RETRYING", "")
    for one in relays:
        condition, pool, queue = one.condition, one.pool, one.queue
        if condition and pool and queue:
            rows.add_row(
                plain(one.name),
                word(condition.state),
                f"{condition.pace:.0%}",
                f"{pool.idle + pool.in_use} of {pool.max_size}",
                str(queue.due),
                str(queue.retrying),
                plain(_why(one)),
            )
    asked.out.print(rows)


def _why(one: Relay) -> str:
    condition = one.condition
    if condition is None:
        return ""
    if condition.pause is not None:
        pause = condition.pause
        by = f" by {pause.paused_by}" if pause.paused_by else ""
        return f"since {when(pause.paused_at)}{by}: {pause.reason or 'no reason given'}"
    if condition.resumes_in:
        return f"tried again in {condition.resumes_in:.0f} s"
    failures = condition.failures
    if not failures:
        return ""
    return "1 failure" if failures == 1 else f"{failures} failures in a row"


def _tell(out: Console, one: Relay) -> None:
    state = one.condition.state if one.condition else ""
    out.print(plain(f"{one.name} is {state}  {_why(one)}".rstrip()))


def _tell_drained(out: Console, drained: Draining) -> None:
    if drained.relay:
        _tell(out, drained.relay)
    left = drained.attempts_left
    out.print(f"{left} still under way" if left else "nothing is under way")


def _show_sessions(out: Console, found: Sequence[RelaySession]) -> None:
    rows = table("RELAY", "STATE", "REMOTE", "TLS", "AGE", "SILENT", "MAILS")
    for one in found:
        rows.add_row(
            plain(one.relay),
            one.state,
            plain(one.remote),
            plain(one.tls_version),
            f"{one.age:.0f} s",
            f"{one.silent_for:.0f} s",
            str(one.transactions),
        )
    out.print(rows)
