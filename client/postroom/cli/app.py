"""The commands, and the options that all of them share."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from postroom.arguments import SecurityArguments
from postroom.cli.cancel import cancel
from postroom.cli.connection import try_connection
from postroom.cli.follow import follow
from postroom.cli.get import get
from postroom.cli.health import health
from postroom.cli.info import info
from postroom.cli.list import list_deliveries
from postroom.cli.queue import queue
from postroom.cli.relay import relay
from postroom.cli.render import render
from postroom.cli.reschedule import reschedule
from postroom.cli.retry import retry
from postroom.cli.send import EXAMPLES, send
from postroom.cli.session import Settings
from postroom.cli.stats import stats
from postroom.cli.upload import upload
from postroom.client import TIMEOUT

EXIT_CODES = """\b
Exit codes:
  0  delivered or accepted; the answer was given
  1  mail not (wholly) delivered; a test failed; not serving
  2  wrong usage, or a file that can't be read
  3  the mail or the request is not valid
  4  the service is unavailable, or gave another error
  130  broken off by Ctrl-C

\b
Examples:
  postroom send --to ada@example.com --from me@example.com \\
      --subject Hello --text 'It works.'
  postroom get deliveries/0198c2f0 --json
  postroom test main
"""

app = typer.Typer(
    help="Send mail through a Postroom service, and follow what became of it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    # A traceback with local variables would show mail and addresses.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001  as typer calls it
    if asked:
        typer.echo(f"postroom {version('postroom')}")
        raise typer.Exit


@app.callback()
def shared(  # noqa: PLR0913  one for each option
    context: typer.Context,
    *,
    target: Annotated[
        str,
        typer.Option(
            envvar="POSTROOM_TARGET", metavar="HOST:PORT", help="Where the service is."
        ),
    ] = "localhost:50051",
    timeout: Annotated[
        float,
        typer.Option(
            min=0.001, metavar="SECONDS", help="Seconds that a call may take."
        ),
    ] = TIMEOUT,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plaintext: Annotated[
        bool | None,
        typer.Option(
            "--plaintext/--tls",
            envvar="POSTROOM_PLAINTEXT",
            help="Plain text, or TLS.  Default: TLS but to this machine.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="POSTROOM_TOKEN_FILE",
            metavar="FILE",
            help="A file with the token.  Or POSTROOM_TOKEN has it.",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="POSTROOM_CA_FILE",
            metavar="FILE",
            help="Authorities to trust instead of the system's.",
        ),
    ] = None,
    cert_file: Annotated[
        Path | None,
        typer.Option(
            envvar="POSTROOM_CERT_FILE",
            metavar="FILE",
            help="The client's own certificate.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="POSTROOM_KEY_FILE",
            metavar="FILE",
            help="The key of that certificate.",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001  answered by its callback
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Keep what the options before the command say; `help` above is shown instead."""
    context.obj = Settings(
        target=target,
        timeout=timeout,
        json=json,
        plaintext=plaintext,
        security=SecurityArguments(
            # Never an option: other users of the machine see those.
            token=os.environ.get("POSTROOM_TOKEN") or None,
            token_file=token_file,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
        ),
    )


app.command(epilog=EXAMPLES)(send)
app.command()(get)
app.command("list")(list_deliveries)
app.command("watch")(follow)
app.command()(cancel)
app.command()(reschedule)
app.command()(retry)
app.command()(upload)
app.command()(render)
app.command("test")(try_connection)
app.command()(stats)
app.command()(queue)
app.add_typer(relay, name="relay")
app.command()(info)
app.command()(health)
