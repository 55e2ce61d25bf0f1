"""`postroom health`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from postroom.cli.session import ExitCode, JsonFlag, session
from postroom.cli.show import word
from postroom.client import Client
from postroom.errors import NotFound
from postroom.words import Health


def health(
    context: typer.Context,
    service: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE", help="'relays/main' and the like. Default: the service."
        ),
    ] = "",
    *,
    as_json: JsonFlag = False,
) -> None:
    """Tell whether the service, or one relay, can do its work."""
    with session(context, as_json=as_json) as asked:
        found = _ask(asked.client, service)
        if asked.json:
            typer.echo(json.dumps({"service": service, "status": found}))
        else:
            asked.out.print(word(found))
        if found is not Health.SERVING:
            raise typer.Exit(ExitCode.NOT_DELIVERED)


def _ask(client: Client, service: str) -> Health:
    try:
        return client.health(service)
    except NotFound as error:
        # The health protocol does not say what it is about.
        text = f"no such service: {service} (a relay is named relays/main)"
        raise NotFound(text, error.details) from error
