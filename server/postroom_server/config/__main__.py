"""Writes the reference of all keys, or of their environment variables.

    python -m postroom_server.config             all of docs/reference/settings.md
    python -m postroom_server.config variables   the end of environment.md beside it

`make reference` puts both in their places.
"""

from __future__ import annotations

import sys

from postroom_server.config.reference import page, variables

if __name__ == "__main__":
    sys.stdout.write(variables() if sys.argv[1:] == ["variables"] else page())
