"""The command line: `postroom send`, `get`, `list` and the rest.

It needs the extra `postroom[cli]`; without it `main` says so in one line.
"""

from __future__ import annotations

import os
import sys

MISSING = "postroom: the command line needs an extra: pip install 'postroom[cli]'"
INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as shells have it."""


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
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    try:
        app(prog_name="postroom")
    except KeyboardInterrupt:
        # While the commands were made; one that runs is ended in its own way.
        sys.exit(INTERRUPTED)
