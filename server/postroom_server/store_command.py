"""`postroomd store`: what operators do with the store itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from postroom_server.config import Config, ConfigError, load_config
from postroom_server.delivery.resuming import Assume, Question, in_question, resume
from postroom_server.domain.clock import MICROSECONDS, Instant, SystemClock
from postroom_server.domain.errors import PostroomError
from postroom_server.domain.hold import Hold
from postroom_server.opening import ServedOutbox, database_of, open_outbox
from postroom_server.outbox.administering import migrate_file
from postroom_server.outbox.backup import back_up
from postroom_server.outbox.checking import Finding
from postroom_server.outbox.errors import StoreUnusableError
from postroom_server.outbox.file_checking import check_file
from postroom_server.refusing import in_words
from postroom_server.telemetry.logs import LogLevel, set_up_logs

FOUND = 1
BAD_CONFIGURATION = 2
CANNOT = 3

store_commands = typer.Typer(
    help="Look after the store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@store_commands.callback()
def store(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="The configuration file, which says where the store is.",
            envvar="POSTROOM_CONFIG",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Look after the store.

    Where the store is follows from the configuration: `postroomd --config FILE store
    …`, or POSTROOM_CONFIG.

    Exit status: 0 done, 1 something was found or there was nothing to do, 2 the
    configuration or an option is wrong, 3 the store can't be used.
    """
    parent = context.parent
    before = parent.params.get("config") if parent is not None else None
    context.obj = config or before


@store_commands.command()
def migrate(context: typer.Context) -> None:
    """Bring the store up to date, to the newest schema.

    A store in a file is copied first, and nobody may serve it meanwhile; the server
    does the same by itself when it starts.  A database is brought up to date while
    the servers of the version before go on; those of the new version start after.
    """
    config = _loaded(context)
    with _told():
        if config.store_url:
            from postroom_server.outbox.postgres.administering import migrate_database

            applied = migrate_database(database_of(config), SystemClock())
            typer.echo(f"applied: {', '.join(applied) or 'nothing, it is up to date'}")
            return
        found = migrate_file(config.store_path, SystemClock())
        typer.echo(f"the schema was {found.before} and is {found.now}")


@store_commands.command()
def check(context: typer.Context) -> None:
    """Check that the store is sound; nothing is changed.

    May be run while the store is served.  Each finding is a line, and ends the command
    with 1.
    """
    config = _loaded(context)
    with _told():
        found = _findings(config)
    for finding in found:
        typer.echo(finding)
    if found:
        raise typer.Exit(FOUND)
    typer.echo("the store is sound")


@store_commands.command()
def backup(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The copy; it must not be there.")
    ],
) -> None:
    """Copy a store in a file, with its large contents, while it is served.

    PATH and PATH.files are a store that can be put in the place of the first.  Whoever
    opens it finds it on hold: see `postroomd store resume`.  For a database use what it
    comes with: pg_basebackup with an archive of its log, or pg_dump.
    """
    config = _loaded(context)
    if config.store_url:
        typer.echo(
            "the store is a PostgreSQL database: back it up by pg_basebackup with an "
            "archive of its log, or by pg_dump; nothing was done",
            err=True,
        )
        raise typer.Exit(FOUND)
    with _told():
        copied = back_up(config.store_path, path, SystemClock().now())
    typer.echo(
        f"{path}: {copied.deliveries} deliveries, {copied.files} files of "
        f"{copied.octets} octets"
    )
    for sha256 in copied.missing:
        typer.echo(f"gone or damaged: {sha256}", err=True)
    if copied.missing:
        raise typer.Exit(FOUND)


@store_commands.command()
def hold(
    context: typer.Context,
    reason: Annotated[
        str, typer.Option(help="Why; administrators are told.", metavar="TEXT")
    ] = "an operator said so",
    *,
    restored: Annotated[
        bool,
        typer.Option("--restored", help="It was restored: no cursor of before fits."),
    ] = False,
) -> None:
    """Put the store on hold: mail is taken, and nothing is delivered.

    For a store that was restored in a way that nobody notices, such as a copied file;
    run it before the server starts.  A store in a file must not be served meanwhile.
    """
    with _opened(_loaded(context)) as outbox:
        outbox.hold.begin(Hold(reason, SystemClock().now()), restored=restored)
    typer.echo("the store is on hold")


@store_commands.command(name="resume")
def resume_store(
    context: typer.Context,
    assume: Annotated[
        Assume,
        typer.Option(
            help="What mail is taken for that waited when the store was copied, and "
            "may have been delivered since: delivered; uncertain, to be decided one by "
            "one by `postroom retry`; or queued, to be sent, perhaps a second time."
        ),
    ],
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="When the store was restored, as 2027-01-31T09:30:00Z: mail accepted "
            "from then on is new. Default: when the hold began.",
        ),
    ] = "",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what is in question, and stop.")
    ] = False,
) -> None:
    """End the hold of a store that was restored.

    In question is mail that had been accepted and was due before the hold began.  What
    is due later waits as before, and so does mail that was accepted on hold.  A store
    in a file must not be served meanwhile.
    """
    began = _instant(since)
    clock = SystemClock()
    with _opened(_loaded(context)) as outbox:
        held = outbox.hold.now()
        if held is None:
            typer.echo("the store is not on hold: nothing was done", err=True)
            raise typer.Exit(FOUND)
        question = Question(began or held.since, began or held.since)
        if dry_run:
            typer.echo(f"{in_question(outbox, question)} deliveries are in question")
            return
        changed = resume(outbox, question, assume, clock.now())
    typer.echo(f"the hold is over; {changed} deliveries were settled or put back")


@contextmanager
def _opened(config: Config) -> Iterator[ServedOutbox]:
    with _told():
        outbox = open_outbox(config, SystemClock(), lambda _: None)
        try:
            yield outbox
        finally:
            outbox.close()


def _findings(config: Config) -> list[Finding]:
    if not config.store_url:
        return check_file(config.store_path)
    from postroom_server.outbox.postgres.checking import check_database

    return check_database(database_of(config), config.objects_url)


def _loaded(context: typer.Context) -> Config:
    try:
        config = load_config(context.obj, os.environ)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        if context.obj is None:
            advice = "--config names a configuration file: it says where the store is"
            typer.echo(f"postroomd: {advice}", err=True)
        raise typer.Exit(BAD_CONFIGURATION) from None
    # What goes well is told by the command itself.
    level = max(config.log.level, LogLevel.WARNING)
    set_up_logs(replace(config.log, level=level))
    return config


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (StoreUnusableError, PostroomError, OSError) as error:
        typer.echo(f"postroomd: {in_words(error)}", err=True)
        raise typer.Exit(CANNOT) from None


def _instant(text: str) -> Instant | None:
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None:
        typer.echo(
            f"--since: {text!r} is no time such as 2027-01-31T09:30:00Z", err=True
        )
        raise typer.Exit(BAD_CONFIGURATION)
    if when.tzinfo is None:
        when = when.astimezone()
    return Instant(round(when.astimezone(UTC).timestamp() * MICROSECONDS))
