"""`postroomd token create`: a token for a caller, shown once."""

from __future__ import annotations

from typing import Annotated

import typer

from postroom_server.config.access_schema import CredentialTable
from postroom_server.config.tokens import digest_of, faults_of, new_token, stanza
from postroom_server.domain.principal import ANY_SENDER, DEFAULT_TENANT, Role

BAD_OPTIONS = 2

token_commands = typer.Typer(
    help="Tokens of callers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@token_commands.callback()
def token() -> None:
    """Tokens of callers."""


@token_commands.command()
def create(
    *,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the log calls the caller.")
    ],
    tenant: Annotated[
        str, typer.Option(metavar="NAME", help="Whose mail the caller's is.")
    ] = DEFAULT_TENANT,
    role: Annotated[Role, typer.Option(help="What the caller may do.")] = Role.SENDER,
    sender: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help='Who may be the sender: an address, or "*@example.com"; may be '
            "repeated. Default: anybody.",
        ),
    ] = None,
    expires_at: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="When it ends, as 2027-01-31T00:00:00Z; empty: never."
        ),
    ] = "",
) -> None:
    """Make a token: it goes to the standard output, and is kept nowhere.

    What to add to the configuration goes to the standard error.
    """
    secret = new_token()
    credential = CredentialTable(
        tenant=tenant,
        role=role.value,
        senders=sender or [ANY_SENDER],
        token_sha256=[digest_of(secret)],
        expires_at=expires_at,
    )
    faults = [*faults_of(name, credential)]
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(BAD_OPTIONS)
    typer.echo(
        f"# Add this to the configuration:\n\n{stanza(name, credential)}\n", err=True
    )
    typer.echo("# The token, shown this once, for the caller to keep:\n", err=True)
    typer.echo(secret)
