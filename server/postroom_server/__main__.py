"""`postroomd`: arguments in, exit status out."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from postroom_server.app import App
from postroom_server.config import Config, ConfigError, load_config, print_config
from postroom_server.outbox.errors import StoreUnusableError
from postroom_server.refusing import exposure, in_words
from postroom_server.rpc.server_info import server_version
from postroom_server.sandbox.relay import SandboxRelay
from postroom_server.store_command import store_commands
from postroom_server.supervision.cores import stay_on_one
from postroom_server.supervision.ending import end_for_sure, on_signals
from postroom_server.supervision.heap import share_heap
from postroom_server.supervision.member import Member
from postroom_server.supervision.service import supervise
from postroom_server.telemetry.log_queue import LogQueue
from postroom_server.telemetry.logs import keep_logs_as_set_up, set_up_logs
from postroom_server.token_command import token_commands

BAD_CONFIGURATION = 2
CANNOT_START = 3
DID_NOT_END = 4
MADE_BETWEEN_LOOKS = 20_000
"""Objects made, less those that went, until the collector looks for garbage."""
EXIT_MARGIN = 30.0
"""Seconds beyond the grace until a process that hangs is ended by force."""

cli = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
cli.add_typer(store_commands, name="store")
cli.add_typer(token_commands, name="token")


@cli.callback(invoke_without_command=True)
def serve(  # noqa: PLR0913  one for each option
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="The configuration file; without one the environment alone counts.",
            envvar="POSTROOM_CONFIG",
            metavar="FILE",
        ),
    ] = None,
    *,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Check the configuration and stop.")
    ] = False,
    show_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print the configuration in force, secrets masked, and stop.",
        ),
    ] = False,
    insecure_plaintext: Annotated[
        bool,
        typer.Option(
            "--insecure-plaintext",
            help="Listen without TLS on an address that other machines can reach.",
        ),
    ] = False,
    insecure_tokens: Annotated[
        bool,
        typer.Option(
            "--insecure-tokens-over-plaintext",
            help="Take tokens there too: something else encrypts, such as a proxy.",
        ),
    ] = False,
    sandbox: Annotated[
        Path | None,
        typer.Option(
            help="Try it out: deliver to a relay inside, which keeps all mail in this "
            "folder.  No configuration file is read.",
            metavar="FOLDER",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="So many processes on one port; instead of server.processes.",
            metavar="N",
            min=1,
        ),
    ] = None,
    member: Annotated[str, typer.Option(hidden=True)] = "",
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and stop.",
            is_eager=True,
            callback=lambda asked: _print_version(asked=asked),
        ),
    ] = False,
) -> None:
    """Postroom: a gRPC e-mail delivery service.

    Every key of the file can be given as an environment variable too, for instance
    POSTROOM_RELAYS__MAIN__HOST.  SIGTERM and Ctrl-C end the service in order: what was
    accepted is kept, what was begun may end.  A second one ends it at once, and loses
    nothing either.

    Exit status: 0 ended in order, 2 the configuration is wrong, 3 it could not
    start, 4 it did not end in time.
    """
    if context.invoked_subcommand is not None:
        return
    with ExitStack() as stack:
        environ = _environ(processes)
        loaded = (
            _named(config, environ)
            if sandbox is None
            else _sandbox(sandbox, environ, stack)
        )
        if show_config:
            typer.echo(print_config(loaded), nl=False)
        if check_config:
            _tell_findings(
                exposure(
                    loaded,
                    insecure_plaintext=insecure_plaintext,
                    insecure_tokens=insecure_tokens,
                )
            )
        if show_config or check_config:
            return
        one = Member.of(member) if member else None
        serves = one is not None or loaded.server.processes == 1
        if serves and loaded.server.one_core:
            # Threads stay where those are that start them.
            stay_on_one(one.number if one else None)
            share_heap()
        log = stack.enter_context(LogQueue(sys.stderr))
        set_up_logs(loaded.log, log, process=one.number if one else None)
        if not serves:
            raise typer.Exit(_supervise(loaded))
        app = App(
            one.adapted(loaded) if one else loaded,
            insecure_plaintext=insecure_plaintext,
            insecure_tokens=insecure_tokens,
            series=(log.series,),
        )
        _serve(app, one)


def main() -> None:
    """The command `postroomd`."""
    cli(prog_name="postroomd")


def _environ(processes: int | None) -> Mapping[str, str]:
    """The environment, with the option in the place of its key."""
    if processes is None:
        return os.environ
    return {**os.environ, "POSTROOM_SERVER__PROCESSES": str(processes)}


def _named(path: Path | None, environ: Mapping[str, str]) -> Config:
    try:
        return _load(path, environ)
    except typer.Exit:
        if path is None:
            advice = "--config names a configuration file; --sandbox FOLDER needs none"
            typer.echo(f"postroomd: {advice}", err=True)
        raise


def _load(path: Path | None, environ: Mapping[str, str]) -> Config:
    try:
        return load_config(path, environ)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from None


def _tell_findings(exposed: str | None) -> None:
    if exposed is not None:
        typer.echo(f"listen: {exposed}", err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    typer.echo("the configuration is fine")


def _sandbox(folder: Path, environ: Mapping[str, str], stack: ExitStack) -> Config:
    """The configuration for a relay inside, which is started.

    The environment says the rest, such as POSTROOM_LISTEN.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        relay = stack.enter_context(SandboxRelay(folder / "mail"))
    except OSError as error:
        typer.echo(f"postroomd: --sandbox: {in_words(error)}", err=True)
        raise typer.Exit(CANNOT_START) from None
    relay_keys = {
        "POSTROOM_RELAYS__SANDBOX__HOST": "127.0.0.1",
        "POSTROOM_RELAYS__SANDBOX__PORT": str(relay.port),
        "POSTROOM_RELAYS__SANDBOX__ENCRYPTION": "none",
        "POSTROOM_RELAYS__SANDBOX__FROM_ADDRESS": "postroom@sandbox.example",
        "POSTROOM_STORE__URL": f"sqlite:///{folder / 'postroom.db'}",
    }
    return _load(None, {**environ, **relay_keys})


def _supervise(config: Config) -> int:
    try:
        return supervise(config, sys.argv[1:])
    except OSError as error:
        typer.echo(f"postroomd: {error}", err=True)
        return CANNOT_START


def _serve(app: App, member: Member | None) -> None:
    asked_to_stop = threading.Event()
    on_signals(asked_to_stop, leaves_at_once=member is None)
    if member is not None:
        member.obey(asked_to_stop.set)
    try:
        app.start()
    except (StoreUnusableError, OSError) as error:
        # `ListenError`, and folders that are not there or not ours.
        typer.echo(f"postroomd: {in_words(error)}", err=True)
        raise typer.Exit(CANNOT_START) from None
    keep_logs_as_set_up()
    _leave_alone_what_stays()
    if member is not None:
        member.tell_ready()
    asked_to_stop.wait()
    leaving = app.config.server
    end_for_sure(
        leaving.drain_delay + 2 * leaving.drain_grace + EXIT_MARGIN, DID_NOT_END
    )
    app.drain()


def _leave_alone_what_stays() -> None:
    """Look for garbage seldom, and not among what lives as long as the process.

    Mails leave hardly any behind that only the collector finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MADE_BETWEEN_LOOKS, 20, 20)


def _print_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"postroomd {server_version()}")
        raise typer.Exit


if __name__ == "__main__":
    main()
