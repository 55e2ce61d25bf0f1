"""The command line: `postroom send`, `get`, `list` and the rest.

It needs the extra `postroom[cli]`; without it `main` says so in one line.
"""

from __future__ import annotations

import os
import sys

MISSING = "postroom: the command line needs an extra: pip install 'postroom[cli]'"


def main() -> None:
    """Run the command that the arguments of the process name."""
    # What gRPC's core says of a handshake that failed is said again, in words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from postroom.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.stderr.write(f"{MISSING}\n")
        sys.exit(2)
    app(prog_name="postroom")
