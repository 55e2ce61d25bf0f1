"""`postroom upload`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from postroom.cli.progress import BYTES, bar
from postroom.cli.session import JsonFlag, session
from postroom.cli.show import plain, when
from postroom.results import Blob


def upload(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="What to keep.",
        ),
    ],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Have the service keep a file for later mails.

    Its name there is told, blobs/..., for callers to refer to.  What the service has
    already is not sent again, and kept anew.
    """
    with session(context, as_json=as_json) as asked:
        with bar("Uploading", BYTES) as progress:
            blob = asked.client.upload(file, on_progress=progress)
        asked.show(blob, _show)


def _show(out: Console, blob: Blob) -> None:
    out.print(plain(blob.name))
    out.print(plain(f"  {blob.size_bytes} bytes, kept until {when(blob.expire_at)}"))
