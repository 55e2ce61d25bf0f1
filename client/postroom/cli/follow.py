"""`postroom watch`: events as they happen, a line for each, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from rich.text import Text

from postroom.arguments import WatchArguments
from postroom.cli.interrupts import interruptible
from postroom.cli.labels import Meta, Tags, pairs
from postroom.cli.session import JsonFlag, Session, json_line, session
from postroom.cli.show import plain, when, word
from postroom.errors import DeadlineExceeded, Unavailable
from postroom.events import Event
from postroom.words import EventKind, FailureReason

_NEUTRAL = frozenset(
    {EventKind.SCHEDULED, EventKind.ATTEMPT_STARTED, EventKind.RETRY_REQUESTED}
)


def follow(  # noqa: PLR0913  one for each option
    context: typer.Context,
    *,
    follow_from: Annotated[
        str, typer.Option(metavar="CURSOR", help="After this place, told before.")
    ] = "",
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="With the oldest event kept.")
    ] = False,
    delivery: Annotated[
        list[str] | None,
        typer.Option(metavar="DELIVERY", help="Of this delivery; may repeat."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Of this kind, 'settled'; may repeat."),
    ] = None,
    tag: Tags = None,
    meta: Meta = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what happens to deliveries, as it happens, until Ctrl-C.

    Goes on by itself while the service is away, for as long as --timeout says.
    """
    if follow_from and from_beginning:
        raise typer.BadParameter("give either --follow-from or --from-beginning")
    wanted = WatchArguments(
        cursor=follow_from or None,
        start="beginning" if from_beginning else "now",
        deliveries=delivery or (),
        kinds=kind or (),
        tags=tag or (),
        metadata=pairs(meta),
    )
    with session(context, as_json=as_json) as asked:
        last = [follow_from]
        wanted["on_cursor"] = lambda cursor: last.__setitem__(0, cursor)
        placed = bool(follow_from or from_beginning)
        _look_ahead(asked, delivery or (), from_now=not placed)
        try:
            with interruptible():
                _tell(asked, asked.client.watch(**wanted))
        except KeyboardInterrupt:
            # A place is known once the event before it was shown whole.
            start = "--from-beginning" if from_beginning else ""
            if place := f"--follow-from {last[0]}" if last[0] else start:
                typer.echo(f"go on with: postroom watch {place}", err=True)


def _look_ahead(asked: Session, deliveries: Iterable[str], *, from_now: bool) -> None:
    """Nobody is to wait without a word for what can't come.

    Raises `NotFound` and `InvalidRequest` for a delivery that there is not.
    """
    try:
        asked.client.health()
        found = [asked.client.get(delivery).result for delivery in deliveries]
    except (Unavailable, DeadlineExceeded) as error:
        typer.echo(f"{error}: waiting for it", err=True)
        return
    for result in found:
        if from_now and result.is_final:
            settled = f"{result.delivery} is settled already, {result.status}"
            typer.echo(f"{settled}: --from-beginning tells how", err=True)


def _tell(asked: Session, events: Iterator[Event]) -> None:
    for event in events:
        if asked.json:
            typer.echo(json_line(event.to_dict()))
        else:
            asked.out.print(_line(event))


def _line(event: Event) -> Text:
    facts = (event.delivery, event.recipient, _why(event), _later(event))
    told = "  ".join(filter(None, facts))
    return Text.assemble(when(event.occurred_at), "  ", _what(event), "  ", plain(told))


def _later(event: Event) -> str:
    if event.next_attempt_at is None:
        return ""
    first = event.kind is EventKind.SCHEDULED
    return f"{'for' if first else 'again'} {when(event.next_attempt_at)}"


def _what(event: Event) -> Text:
    """What happened; how it ended, in colour, where it did."""
    if event.kind is EventKind.SETTLED:
        return Text.assemble("SETTLED ", word(event.status))
    return Text(event.kind) if event.kind in _NEUTRAL else word(event.kind)


def _why(event: Event) -> str:
    known = event.reason is not FailureReason.UNSPECIFIED
    return str(event.reply or event.detail or (event.reason if known else ""))
